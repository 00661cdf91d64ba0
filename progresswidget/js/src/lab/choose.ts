/** Lets a person pick files: with handles that outlive the page where the browser has them. */

import { pickFiles } from '../save/file_access';
import type { Picked } from '../upload/tree';

/** Ask for files to upload; none where the person thinks better of it. Needs a click. */
export async function choose(multiple: boolean): Promise<Picked[]> {
  const handles = await pickFiles(multiple);
  if (handles === undefined) {
    return (await chooseByInput(multiple)).map((file) => ({ file, handle: null }));
  }
  return await Promise.all(
    (handles ?? []).map(async (handle) => ({ file: await handle.getFile(), handle })),
  );
}

/** Ask for a folder: its files by their paths in it; null where the person thinks better of it. */
export async function chooseFolder(): Promise<ReadonlyMap<string, File> | null> {
  const files = await chooseByInput(false, true);
  if (files.length === 0) return null;
  // The first part of such a path is the folder's own name.
  return new Map(files.map((file) => [file.webkitRelativePath.replace(/^[^/]*\//, ''), file]));
}

function chooseByInput(multiple: boolean, folder = false): Promise<File[]> {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = multiple;
  input.webkitdirectory = folder;
  // While the person picks nothing else refers to it, and what is collected tells of no files.
  asking.add(input);
  return new Promise<File[]>((resolve) => {
    input.addEventListener('change', () => resolve([...(input.files ?? [])]));
    input.addEventListener('cancel', () => resolve([]));
    input.click();
  }).finally(() => asking.delete(input));
}

const asking = new Set<HTMLInputElement>();
