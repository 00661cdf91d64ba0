/** What has to outlive the page: IndexedDB, which also keeps file handles. */

const DATABASE = 'progresswidget';
const STORES = ['saves', 'uploads'] as const;

export type StoreName = (typeof STORES)[number];

/** Days after which nobody comes back for an entry. */
const KEEP_DAYS = 30;

export interface Kept {
  readonly id: string;
  /** Milliseconds since 1970, as `updated`. */
  readonly created: number;
  readonly updated: number;
}

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      for (const name of STORES) request.result.createObjectStore(name, { keyPath: 'id' });
    };
    request.onsuccess = () => {
      // A page with a newer version must not wait for this one.
      request.result.onversionchange = () => {
        request.result.close();
        opened = null;
      };
      resolve(request.result);
    };
    request.onerror = () => {
      opened = null;
      reject(request.error);
    };
  });
  return opened;
}

async function transact<T>(
  name: StoreName,
  mode: IDBTransactionMode,
  run: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const transaction = (await open()).transaction(name, mode);
  const request = run(transaction.objectStore(name));
  return await new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export async function keep(name: StoreName, entry: Kept): Promise<void> {
  await transact(name, 'readwrite', (store) => store.put(entry));
}

/** The same for many at once. */
export async function keepAll(name: StoreName, entries: readonly Kept[]): Promise<void> {
  await transact(name, 'readwrite', (store) => {
    for (const entry of entries) store.put(entry);
    return store.count();
  });
}

/** Change an entry that is there still; one that was dropped meanwhile stays dropped. */
export async function amend(name: StoreName, id: string, change: object): Promise<void> {
  const database = await open();
  const transaction = database.transaction(name, 'readwrite');
  const store = transaction.objectStore(name);
  const found = store.get(id);
  found.onsuccess = () => {
    if (found.result) store.put({ ...found.result, ...change, updated: Date.now() });
  };
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

export async function drop(name: StoreName, id: string): Promise<void> {
  await transact(name, 'readwrite', (store) => store.delete(id));
}

export async function dropAll(name: StoreName, ids: readonly string[]): Promise<void> {
  await transact(name, 'readwrite', (store) => {
    for (const id of ids) store.delete(id);
    return store.count();
  });
}

export async function recall<T extends Kept>(name: StoreName, id: string): Promise<T | null> {
  return ((await transact(name, 'readonly', (store) => store.get(id))) as T | undefined) ?? null;
}

/** Everything of a kind, oldest first; what nobody came back for is dropped. */
export async function recallAll<T extends Kept>(name: StoreName): Promise<T[]> {
  const all = (await transact(name, 'readonly', (store) => store.getAll())) as T[];
  const limit = Date.now() - KEEP_DAYS * 24 * 3600 * 1000;
  for (const { id, updated } of all) if (updated < limit) await drop(name, id);
  return all.filter(({ updated }) => updated >= limit).sort((a, b) => a.created - b.created);
}
