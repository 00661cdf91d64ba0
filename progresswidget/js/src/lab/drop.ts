/** What is dropped into a file browser: whether it is ours, and how it is read. */

import type { Branch, Picked, PickedFolder } from '../upload/tree';

/** An entry of a drop, as far as the decision needs it. */
export interface Dropped {
  readonly isFolder: boolean;
  readonly size: number;
}

/** Files and folders of one drop; more than that one puts into an archive. */
export const MOST_ENTRIES = 5_000;

/** Thrown where a folder has too much in it. */
export class TooManyError extends Error {
  override readonly name = 'TooManyError';

  constructor(readonly folder: string) {
    super(`${folder} has too much in it`);
  }
}

/**
 * Whether to take a drop away from JupyterLab: all of it or nothing, so that its files stay together.
 *
 * @param from Bytes from which on a file is ours; null where none is.
 */
export function takesDrop(dropped: readonly Dropped[], from: number | null): boolean {
  if (from === null) return false;
  // What is in a folder is not known yet, and JupyterLab would send it without a way back.
  return dropped.some(({ isFolder, size }) => isFolder || size >= from);
}

/** Bytes of the setting in megabytes; null for "none". */
export function thresholdOf(megabytes: unknown): number | null {
  return typeof megabytes === 'number' && megabytes >= 0 ? megabytes * 1_000_000 : null;
}

interface WithHandle {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** Look into a drop; only while its event is handled. */
export function lookInto({ items }: DataTransfer): Dropped[] {
  return filesOf(items).map((item) => ({
    isFolder: item.webkitGetAsEntry()?.isDirectory === true,
    size: item.getAsFile()?.size ?? 0,
  }));
}

/**
 * Read a drop, with handles where the browser gives them; to be called while it is handled.
 *
 * @throws TooManyError
 */
export async function readDrop({
  items,
}: DataTransfer): Promise<{ files: readonly Picked[]; folders: readonly PickedFolder[] }> {
  // Everything is asked for before the first await: after it the items are empty.
  const asked = filesOf(items).map((item) => ({
    entry: item.webkitGetAsEntry(),
    file: item.getAsFile(),
    handle: (item as unknown as WithHandle).getAsFileSystemHandle?.().catch(() => null) ?? null,
  }));
  const walk = new Walk();
  const files: Picked[] = [];
  const folders: PickedFolder[] = [];
  for (const { entry, file, handle: promised } of asked) {
    const handle = await promised;
    if (handle instanceof FileSystemDirectoryHandle) {
      folders.push(await walk.root(handle.name, handle, () => walk.handle(handle)));
    } else if (isFolder(entry)) {
      folders.push(await walk.root(entry.name, null, () => walk.entry(entry)));
    } else if (file) {
      files.push({ file, handle: handle instanceof FileSystemFileHandle ? handle : null });
    }
  }
  return { files, folders };
}

/** Goes through folders, and counts what it meets. */
class Walk {
  #entries = 0;
  #leftOut = 0;
  #root = '';

  async root(
    name: string,
    handle: FileSystemDirectoryHandle | null,
    walk: () => Promise<Branch>,
  ): Promise<PickedFolder> {
    this.#root = name;
    this.#leftOut = 0;
    return { branch: await walk(), leftOut: this.#leftOut, handle };
  }

  async handle(folder: FileSystemDirectoryHandle): Promise<Branch> {
    const files: Picked[] = [];
    const folders: Branch[] = [];
    for await (const child of folder.values()) {
      if (!this.#takes(child.name)) continue;
      if (child.kind === 'directory') {
        folders.push(await this.handle(child as FileSystemDirectoryHandle));
        continue;
      }
      const handle = child as FileSystemFileHandle;
      const file = await this.#read(() => handle.getFile());
      if (file) files.push({ file, handle });
    }
    return sorted(folder.name, files, folders);
  }

  async entry(folder: FileSystemDirectoryEntry): Promise<Branch> {
    const files: Picked[] = [];
    const folders: Branch[] = [];
    for await (const child of childrenOf(folder)) {
      if (!this.#takes(child.name)) continue;
      if (isFolder(child)) {
        folders.push(await this.entry(child));
        continue;
      }
      const read = (resolve: (file: File) => void, reject: (error: unknown) => void) =>
        (child as FileSystemFileEntry).file(resolve, reject);
      const file = await this.#read(() => new Promise<File>(read));
      if (file) files.push({ file, handle: null });
    }
    return sorted(folder.name, files, folders);
  }

  /** The server does not show what is hidden, and takes none of it. */
  #takes(name: string): boolean {
    if (name.startsWith('.')) {
      this.#leftOut += 1;
      return false;
    }
    this.#entries += 1;
    if (this.#entries > MOST_ENTRIES) throw new TooManyError(this.#root);
    return true;
  }

  /** One file that may not be read keeps nobody from the others. */
  async #read(get: () => Promise<File>): Promise<File | null> {
    try {
      return await get();
    } catch {
      this.#leftOut += 1;
      return null;
    }
  }
}

/** In the order of a listing: a browser gives them as the disk has them. */
function sorted(name: string, files: Picked[], folders: Branch[]): Branch {
  files.sort((one, other) => one.file.name.localeCompare(other.file.name));
  folders.sort((one, other) => one.name.localeCompare(other.name));
  return { name, files, folders };
}

/** A reader gives some at a time, and nothing when that was all. */
async function* childrenOf(folder: FileSystemDirectoryEntry): AsyncIterable<FileSystemEntry> {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return;
    yield* some;
  }
}

function isFolder(entry: FileSystemEntry | null): entry is FileSystemDirectoryEntry {
  return entry?.isDirectory === true;
}

function filesOf(items: DataTransferItemList): DataTransferItem[] {
  return [...items].filter(({ kind }) => kind === 'file');
}
