/** Asks what becomes of a file whose name is taken. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { LabWords } from '../i18n/lab';

/** Null where the person thinks better of it. */
export async function askAboutTaken(
  name: string,
  { upload }: LabWords,
): Promise<'replace' | 'both' | null> {
  const { button } = await showDialog({
    title: upload.replaceTitle,
    body: upload.replaceBody(name),
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
