/** Every state that the bar of a transfer can be in, below the path of a file browser. */

import { messagesFor } from '../src/i18n';
import { withUploads } from '../src/i18n/lab';
import { LAB_CHINESE } from '../src/i18n/lab/chinese';
import { LAB_ENGLISH } from '../src/i18n/lab/english';
import { adoptPanelStyle } from '../src/lab/panel/style';
import { NEW_TRANSFER, type TransferState } from '../src/transfer';
import { adoptStyle } from '../src/view/stylesheet';
import type { Direction } from '../src/view/transfer_presentation';
import { TransferView } from '../src/view/transfer_view';

const SIZE = 138_412_032;
const LONG = '2026-11 flights, all carriers.parquet';

const upload = (changes: Partial<TransferState> = {}, name = 'flights.parquet') =>
  ['upload', name, changes] as const;
const save = (changes: Partial<TransferState> = {}, name = 'flights.parquet') =>
  ['save', name, changes] as const;

const TRANSFERS: readonly (readonly [Direction, string, Partial<TransferState>])[] = [
  upload(),
  upload({}, LONG),
  upload({ status: 'queued', offset: 0 }),
  upload({ status: 'starting', offset: 0, size: null }),
  upload({ status: 'checking' }),
  upload({ status: 'waiting', attempt: 2, tries: 5 }),
  upload({ status: 'paused' }, LONG),
  upload({ status: 'failed', failure: 'serverFull' }),
  upload({ status: 'failed', failure: 'exists', offset: 0 }),
  upload({ status: 'done' }),
  upload({ status: 'done', verified: true }, LONG),
  save(),
  save({ size: null }),
  save({ status: 'paused', failure: 'noPermission' }),
  save({ status: 'done', verified: true }),
];

/** The list of them in one language. */
export function mountTransfers(main: HTMLElement, language: string): void {
  adoptStyle(main);
  adoptPanelStyle(main);
  const chinese = language.startsWith('zh');
  const saves = messagesFor(language, 'en');
  const uploads = withUploads(saves, chinese ? LAB_CHINESE : LAB_ENGLISH);
  const list = document.createElement('div');
  list.className = 'pw-transfers';
  // All of them are to be seen.
  list.style.maxHeight = 'none';
  const nothing = () => {};
  for (const [direction, name, changes] of TRANSFERS) {
    const view = new TransferView({
      name,
      direction,
      messages: direction === 'save' ? saves : uploads,
      handlers: {
        pause: nothing,
        resume: nothing,
        cancel: nothing,
        dismiss: nothing,
        again: nothing,
      },
    });
    list.append(view.element);
    view.update({
      ...NEW_TRANSFER,
      status: 'running',
      offset: SIZE * 0.42,
      size: SIZE,
      ...changes,
    });
  }
  main.append(list);
}
