/** Lets a person pick files: with handles that outlive the page where the browser has them. */

import { pickFiles } from '../save/file_access';
import type { Picked } from '../upload/uploads';

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

function chooseByInput(multiple: boolean): Promise<File[]> {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = multiple;
  return new Promise((resolve) => {
    input.addEventListener('change', () => resolve([...(input.files ?? [])]));
    input.addEventListener('cancel', () => resolve([]));
    input.click();
  });
}
