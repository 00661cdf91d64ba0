import { afterEach, describe, expect, it, vi } from 'vitest';
import { drop, type Kept, keepAll, recallAll } from '../src/kept';
import { MOST_ENTRIES, readDrop, TooManyError } from '../src/lab/drop';
import { canResume } from '../src/transfer';
import { UploadGroup } from '../src/upload/group';
import type { UploadHost } from '../src/upload/host';
import { asNew, type Branch, compare, countTaken, type Listing, place } from '../src/upload/tree';
import { Uploads } from '../src/upload/uploads';
import { fileToSend, Tus } from './tus_model';

const ROOT = '/folders/';
const LONG = { timeout: 30_000 };

const branch = (
  name: string,
  files: readonly string[],
  folders: readonly Branch[] = [],
): Branch => ({
  name,
  files: files.map((one) => ({ file: fileToSend(one), handle: null })),
  folders,
});

const TREE = branch('trip', ['a.csv', 'b.csv'], [branch('inner', ['c.csv']), branch('empty', [])]);

/** A server by its folders: names, and whether each is a folder. */
class Folders {
  readonly all: Map<string, Map<string, boolean>>;

  constructor(all: Record<string, Record<string, boolean>>) {
    this.all = new Map(
      Object.entries(all).map(([at, names]) => [at, new Map(Object.entries(names))]),
    );
  }

  readonly look = async (path: string): Promise<Listing> => {
    const found = this.all.get(path);
    if (!found) throw new Error(`no folder ${path}`);
    return found;
  };

  readonly make = async (path: string): Promise<void> => {
    const [, parent = '', name = ''] = /^(?:(.*)\/)?([^/]*)$/.exec(path) ?? [];
    ((await this.look(parent)) as Map<string, boolean>).set(name, true);
    this.all.set(path, new Map());
  };
}

const targets = ({ files }: ReturnType<typeof place>) =>
  files.map(({ folder, target, overwrite }) => `${folder}/${target}${overwrite ? ' over' : ''}`);

describe('a folder beside the server', () => {
  it('is made whole where there is nothing, empty folders too, the outer ones first', () => {
    const placement = place(asNew(TREE), 'data/trip');
    expect(placement.folders).toEqual(['data/trip', 'data/trip/inner', 'data/trip/empty']);
    expect(targets(placement)).toEqual([
      'data/trip/a.csv',
      'data/trip/b.csv',
      'data/trip/inner/c.csv',
    ]);
    expect(placement.files.map(({ source }) => source)).toEqual(['a.csv', 'b.csv', 'inner/c.csv']);
  });

  it('is joined with what is there, and only files of the same names count as taken', async () => {
    const { look } = new Folders({
      trip: { 'b.csv': false, other: true, inner: true },
      'trip/inner': { 'c.csv': false },
    });
    const compared = await compare(TREE, 'trip', true, look);
    expect(countTaken(compared)).toBe(2);
    const placement = place(compared, 'trip');
    expect(placement.folders).toEqual(['trip/empty']);
    expect(targets(placement)).toEqual(['trip/a.csv', 'trip/b.csv over', 'trip/inner/c.csv over']);
  });

  it('never replaces a file by a folder, nor a folder by a file', async () => {
    const { look } = new Folders({ trip: { 'a.csv': true, inner: false } });
    const compared = await compare(TREE, 'trip', true, look);
    expect(countTaken(compared)).toBe(0);
    const placement = place(compared, 'trip');
    expect(placement.folders).toEqual(['trip/inner (1)', 'trip/empty']);
    expect(targets(placement)).toEqual(['trip/a (1).csv', 'trip/b.csv', 'trip/inner (1)/c.csv']);
  });

  it('gives no other name that something else of the same folder has', async () => {
    const { look } = new Folders({ trip: { 'a.csv': true, inner: false } });
    const inner = [branch('inner', ['c.csv']), branch('inner (1)', ['d.csv'])];
    const sent = branch('trip', ['a.csv', 'a (1).csv'], inner);
    const placement = place(await compare(sent, 'trip', true, look), 'trip');
    expect(placement.folders).toEqual(['trip/inner (2)', 'trip/inner (1)']);
    expect(targets(placement)).toEqual([
      'trip/a (2).csv',
      'trip/a (1).csv',
      'trip/inner (2)/c.csv',
      'trip/inner (1)/d.csv',
    ]);
  });
});

describe('an upload of a folder', () => {
  /** What is kept of these tests: others share the database. */
  const kept = async () => {
    const entries = await recallAll<Kept & { readonly base: string }>('uploads');
    return entries.filter(({ base }) => base.includes(ROOT));
  };

  afterEach(async () => {
    for (const { id } of await kept()) await drop('uploads', id);
  });

  function begin(folders: Folders, answer: 'replace' | 'both' | null = null) {
    const tus = new Tus(ROOT);
    const host = {
      server: tus.server,
      pickAgain: async () => null,
      askAboutTaken: async () => null,
      askAboutFolder: vi.fn(async () => answer),
      pickFolderAgain: vi.fn(async () => new Map<string, File>()),
      namesIn: folders.look,
      makeFolder: vi.fn(folders.make),
      arrived: vi.fn(),
    } satisfies UploadHost;
    const all = new Uploads(host);
    const group = () => {
      const [first] = all.all;
      if (!(first instanceof UploadGroup) || all.all.length > 1) throw new Error('not one bar');
      return first;
    };
    const until = (status: string) =>
      vi.waitFor(() => expect(group().state.status).toBe(status), LONG);
    const stored = () =>
      [...tus.stored.values()].map(({ metadata }) => {
        const pairs = metadata.split(',').map((pair) => pair.split(' ') as [string, string]);
        const { filename = '', path = '' } = Object.fromEntries(pairs);
        return `${atob(path)}/${atob(filename)}`;
      });
    return { tus, host, all, group, until, stored };
  }
  const picked = { branch: TREE, leftOut: 2, handle: null };

  it('has one bar, and arrives in its folders', async () => {
    const { all, host, group, until, stored } = begin(new Folders({ '': {} }));
    await all.addFolder(picked, '');
    expect(group().name).toBe('trip');
    await until('done');
    expect(host.makeFolder.mock.calls.flat()).toEqual(['trip', 'trip/inner', 'trip/empty']);
    expect(stored().sort()).toEqual(['trip/a.csv', 'trip/b.csv', 'trip/inner/c.csv']);
    expect(group().facts).toEqual({ done: 3, files: 3, leftOut: 2, failed: null });
    expect(group().state).toMatchObject({ offset: 600_000, size: 600_000, verified: true });
    expect(await kept()).toEqual([]);
    await group().dismiss();
    expect(all.all).toEqual([]);
  });

  it('without files makes the folders, and has no bar', async () => {
    const { all, host } = begin(new Folders({ '': {} }));
    await all.addFolder({ ...picked, branch: branch('hollow', [], [branch('in', [])]) }, '');
    expect(host.makeFolder.mock.calls.flat()).toEqual(['hollow', 'hollow/in']);
    expect(all.all).toEqual([]);
    expect(host.arrived).toHaveBeenCalledWith('');
  });

  it('asks once for all names that are taken, and heeds the answer', async () => {
    const there = { '': { trip: true }, trip: { 'a.csv': false, 'b.csv': false } };
    const none = begin(new Folders(there), null);
    await none.all.addFolder(picked, '');
    expect(none.host.askAboutFolder.mock.calls).toEqual([['trip', 2]]);
    expect([none.all.all, none.tus.seen]).toEqual([[], []]);

    const both = begin(new Folders(there), 'both');
    await both.all.addFolder(picked, '');
    await both.until('done');
    expect(both.stored().sort()[0]).toBe('trip (1)/a.csv');

    const over = begin(new Folders(there), 'replace');
    await over.all.addFolder(picked, '');
    await over.until('done');
    expect(over.stored().sort()[0]).toBe('trip/a.csv');
    expect(
      [...over.tus.stored.values()].filter(({ metadata }) => metadata.includes('overwrite')),
    ).toHaveLength(2);
  });

  it('asks nothing where "Replace" would replace nothing, and takes another name', async () => {
    const beside = begin(new Folders({ '': { trip: false } }));
    await beside.all.addFolder(picked, '');
    await beside.until('done');
    expect(beside.stored().sort()[0]).toBe('trip (1)/a.csv');

    const within = begin(new Folders({ '': { trip: true }, trip: { inner: false } }));
    await within.all.addFolder(picked, '');
    await within.until('done');
    expect(within.stored().sort()).toEqual(['trip/a.csv', 'trip/b.csv', 'trip/inner (1)/c.csv']);
    expect(beside.host.askAboutFolder).not.toHaveBeenCalled();
    expect(within.host.askAboutFolder).not.toHaveBeenCalled();
  });

  it('pauses, goes on and is cancelled as one', async () => {
    const { tus, all, group, until } = begin(new Folders({ '': {} }));
    // Nobody answers until the tests lets it: files are then in every state.
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const answer = tus.server.request;
    tus.server.request = async (url, init) => {
      if (init.method === 'PATCH') {
        await Promise.race([
          gate,
          new Promise((_, no) => init.signal?.addEventListener('abort', no)),
        ]);
      }
      return await answer(url, init);
    };
    await all.addFolder(picked, '');
    await vi.waitFor(() => expect(tus.stored.size).toBe(2), LONG);
    await group().pause();
    await until('paused');
    expect(tus.stored.size).toBe(2);
    open();
    const waiting = group().resume();
    // Of this page: no file has to be picked again.
    await waiting;
    await until('done');
    expect(tus.stored.size).toBe(3);

    const again = begin(new Folders({ '': {} }));
    again.tus.failures.push(503, 503);
    await again.all.addFolder(picked, '');
    await again.group().cancel();
    expect(again.all.all).toEqual([]);
    expect(await kept()).toEqual([]);
  });

  it('says which files have failed, and tries those again', async () => {
    const { tus, all, group, until } = begin(new Folders({ '': {} }));
    tus.failures.push(507);
    await all.addFolder(picked, '');
    await until('failed');
    const { failed, done } = group().facts;
    expect([failed, done]).toEqual([{ name: 'a.csv', count: 1 }, 2]);
    expect(group().state.failure).toBe('serverFull');
    expect(canResume(group().state)).toBe(true);
    await group().resume();
    await until('done');
  });

  it('of an earlier page counts what has arrived, and goes on with the same folder', async () => {
    const folders = new Folders({ '': {} });
    const before = begin(folders);
    before.tus.failures.push(507);
    await before.all.addFolder(picked, '');
    await before.until('failed');
    const { all, host, group, until } = begin(folders);
    await vi.waitFor(async () => {
      // The page before lets go of its lock.
      await before.group().members.at(0)?.pause();
      expect(await kept()).toHaveLength(1);
    }, LONG);
    await all.recall();
    expect(all.all).toEqual([]); // another page has it
    const entries = await kept();
    await before.group().dismiss();
    await keepAll('uploads', entries);
    await vi.waitFor(async () => {
      await all.recall();
      expect(all.all).toHaveLength(1);
    }, LONG);
    expect(group().state).toMatchObject({
      status: 'paused',
      failure: 'notPicked',
      offset: 400_000,
    });
    expect(group().facts).toMatchObject({ done: 2, files: 3 });
    host.pickFolderAgain.mockResolvedValue(new Map([['a.csv', fileToSend('a.csv')]]));
    await group().resume();
    await until('done');
    expect(host.pickFolderAgain).toHaveBeenCalledExactlyOnceWith('trip');
  });
});

describe('a dropped folder', () => {
  /** A real folder of the browser's own file system. */
  async function folderOf(name: string, ...paths: readonly string[]) {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry(name, { recursive: true }).catch(() => undefined);
    const folder = await root.getDirectoryHandle(name, { create: true });
    for (const path of paths) {
      const parts = path.split('/');
      const file = parts.pop() ?? '';
      let at = folder;
      for (const part of parts) at = await at.getDirectoryHandle(part, { create: true });
      if (file) await at.getFileHandle(file, { create: true });
    }
    return folder;
  }

  /** A drop as the browser tells of it: by handles, or by entries alone. */
  const dropOf = (item: object) =>
    ({
      items: [{ kind: 'file', getAsFile: () => null, webkitGetAsEntry: () => null, ...item }],
    }) as unknown as DataTransfer;

  const flat = ({ name, files, folders }: Branch): string[] => [
    `${name}/`,
    ...files.map(({ file }) => `${name}/${file.name}`),
    ...folders.flatMap((inner) => flat(inner).map((path) => `${name}/${path}`)),
  ];

  it('is read by its handles, in order, without what is hidden', async () => {
    const handle = await folderOf('trip', 'b.csv', 'a.csv', '.hidden', '.git/x', 'in/c.csv', 'no/');
    const read = await readDrop(dropOf({ getAsFileSystemHandle: async () => handle }));
    const [folder] = read.folders;
    expect(folder && flat(folder.branch)).toEqual([
      ...['trip/', 'trip/a.csv', 'trip/b.csv'],
      ...['trip/in/', 'trip/in/c.csv', 'trip/no/'],
    ]);
    expect([folder?.leftOut, folder?.handle, read.files]).toEqual([2, handle, []]);
    expect(folder?.branch.files.every((one) => one.handle !== null)).toBe(true);
  });

  it('is read by its entries where there are no handles, a hundred at a time', async () => {
    const file = (name: string) => ({
      name,
      isDirectory: false,
      file: (use: (one: File) => void, fail: (error: unknown) => void) =>
        name === 'secret.csv'
          ? fail(new DOMException('', 'NotReadableError'))
          : use(fileToSend(name)),
    });
    const names = Array.from({ length: 150 }, (_, at) => `${String(at).padStart(3, '0')}.csv`);
    const some = [names.slice(0, 100).map(file), [...names.slice(100), 'secret.csv'].map(file), []];
    const createReader = () => ({
      readEntries: (use: (one: unknown[]) => void) => use(some.shift() ?? []),
    });
    const entry = { name: 'many', isDirectory: true, createReader };
    const { folders } = await readDrop(dropOf({ webkitGetAsEntry: () => entry }));
    expect(folders[0]?.branch.files.map((one) => one.file.name)).toEqual(names);
    expect([folders[0]?.leftOut, folders[0]?.handle]).toEqual([1, null]);
  });

  it('with too much in it is refused as a whole', async () => {
    const child = {
      name: 'a',
      isDirectory: false,
      file: (use: (one: File) => void) => use(new File([], 'a')),
    };
    let left = MOST_ENTRIES + 1;
    const readEntries = (use: (one: unknown[]) => void) => use(left-- > 0 ? [child] : []);
    const entry = { name: 'endless', isDirectory: true, createReader: () => ({ readEntries }) };
    const reading = readDrop(dropOf({ webkitGetAsEntry: () => entry }));
    await expect(reading).rejects.toThrow(TooManyError);
  });
});
