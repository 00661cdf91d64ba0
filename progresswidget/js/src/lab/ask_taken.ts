/** Asks what becomes of files whose names are taken. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { LabWords } from '../i18n/lab';

/** Null where the person thinks better of it. */
export async function askAboutTaken(
  name: string,
  { upload }: LabWords,
): Promise<'replace' | 'both' | null> {
  return await ask(upload.replaceTitle, upload.replaceBody(name), upload);
}

/** The same of a folder, once for all `count` files in it whose names are taken. */
export async function askAboutFolder(name: string, count: number, { upload }: LabWords) {
  return await ask(upload.mergeTitle, upload.mergeBody(name, count), upload);
}

async function ask(
  title: string,
  body: string,
  upload: LabWords['upload'],
): Promise<'replace' | 'both' | null> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: upload.cancel }),
      Dialog.okButton({ label: upload.both, actions: ['both'] }),
      Dialog.warnButton({ label: upload.replace, actions: ['replace'] }),
    ],
    defaultButton: 1,
  });
  if (button.actions.includes('both')) return 'both';
  return button.actions.includes('replace') ? 'replace' : null;
}
