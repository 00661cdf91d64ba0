/** A dialog that says one thing, and is closed. */

import { Dialog, showDialog } from '@jupyterlab/apputils';

export async function say(title: string, body: string, close: string): Promise<void> {
  await showDialog({ title, body, buttons: [Dialog.okButton({ label: close })] });
}
