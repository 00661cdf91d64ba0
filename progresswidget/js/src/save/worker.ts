/** The entry of the worker: a save is messages from here on, and the page stays smooth. */

import type { TransferState } from '../transfer';
import { type Command, type Driver, drive, type SaveEntry } from './drive';

export type ToWorker =
  | { readonly start: SaveEntry; readonly headers: Readonly<Record<string, string>> }
  | { readonly command: Command };
/** The first message says no more than that the worker runs. */
export type FromWorker = 'ready' | TransferState;

let driver: Driver | null = null;
const post = (message: FromWorker) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ('start' in data) driver ??= drive(data.start, data.headers, post);
  else driver?.command(data.command);
};
post('ready');
