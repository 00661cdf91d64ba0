/** Which files that are dropped into a file browser are ours, and how they are read. */

import type { Picked } from '../upload/uploads';

/** An entry of a drop, as far as the decision needs it. */
export interface Dropped {
  readonly isFolder: boolean;
  readonly size: number;
}

/**
 * Whether to take a drop away from JupyterLab: all of it or nothing, so that its files stay together.
 *
 * @param from Bytes from which on a file is ours; null where none is.
 */
export function takesDrop(dropped: readonly Dropped[], from: number | null): boolean {
  // Folders are JupyterLab's: it makes them, and uploads what is in them.
  if (from === null || dropped.length === 0 || dropped.some(({ isFolder }) => isFolder))
    return false;
  return dropped.some(({ size }) => size >= from);
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

/** Read a drop, with handles where the browser gives them; to be called while it is handled. */
export function readDrop({ items }: DataTransfer): Promise<Picked[]> {
  // Everything is asked for before the first await: after it the items are empty.
  const asked = filesOf(items).map((item) => ({
    file: item.getAsFile(),
    handle: (item as unknown as WithHandle).getAsFileSystemHandle?.().catch(() => null) ?? null,
  }));
  return Promise.all(asked.map(async ({ file, handle }) => ({ file, handle: await handle }))).then(
    (all) =>
      all.flatMap(({ file, handle }) =>
        file ? [{ file, handle: handle instanceof FileSystemFileHandle ? handle : null }] : [],
      ),
  );
}

function filesOf(items: DataTransferItemList): DataTransferItem[] {
  return [...items].filter(({ kind }) => kind === 'file');
}
