/** Notifications when an export ends that a person may be waiting for. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { errorText } from '../i18n';
import { type Choice, choicesFor } from '../jobs/choices';
import { type Notice, noticeOf, type Told, takeEnd } from '../jobs/notices';
import type { JobRecord } from '../protocol';
import { exportText } from '../view/export_text';
import { nameOf } from '../view/kinds';
import { IExports } from './exports';
import { JOB } from './job_commands';
import { OPEN } from './panel';

const TYPES = { done: 'success', failed: 'error', interrupted: 'warning' } as const;
/** Milliseconds; what has failed, or what nobody has seen, stays until it is closed. */
const CLOSE = 10_000;

export const notices: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:notices',
  description: 'Tells in a notification that an export has ended.',
  autoStart: true,
  requires: [IExports],
  activate(app: JupyterFrontEnd, exports: IExports) {
    const { signal } = new AbortController();
    exports.feed.followEnds((record) => void tell(app, exports, record), signal);
  },
};

async function tell(app: JupyterFrontEnd, exports: IExports, record: JobRecord): Promise<void> {
  const hidden = document.visibilityState === 'hidden';
  if (!(await takeEnd(record, hidden, navigator.locks, sleep, memory()))) return;
  const notice = noticeOf(record, exports.preferences, hidden);
  if (notice === null) return;
  Notification.emit(sentence(exports, record, notice), TYPES[notice], {
    autoClose: notice === 'done' && !hidden ? CLOSE : false,
    actions: actions(app, exports, record, notice),
  });
}

function sentence({ words, messages, feed }: IExports, record: JobRecord, notice: Notice): string {
  const name = nameOf(record);
  if (notice === 'done') {
    const { facts } = exportText(record, feed.connection, messages, Date.now());
    const isFile = record.kind === 'export' || record.kind === 'download';
    return isFile ? words.notice.done(name, facts[0] ?? '') : words.notice.over(name);
  }
  const why = record.error ? errorText(messages, record.error).message : '';
  return words.notice[notice](name, why).trim();
}

function actions(
  { commands }: JupyterFrontEnd,
  { words, feed }: IExports,
  record: JobRecord,
  notice: Notice,
): Notification.IAction[] {
  const { taskId } = record;
  const choices = choicesFor(record, feed.isConnected);
  const job = (choice: Choice, label: string): Notification.IAction[] =>
    choices.has(choice)
      ? [{ label, callback: () => void commands.execute(JOB, { choice, taskId }) }]
      : [];
  if (notice === 'done') {
    return [...job('download', words.choice.download), ...job('show', words.notice.show)];
  }
  const open = () => void commands.execute(OPEN, { taskId });
  return [{ label: words.notice.show, callback: open }];
}

/** What all pages of this browser remember; null where it lets none do so. */
function memory(): Told | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
