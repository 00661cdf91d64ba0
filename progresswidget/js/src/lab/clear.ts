/** Takes the exports that have ended off the list, after a question. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { ActionFailure } from '../actions';
import { adoptExportStyle } from '../exporting/stylesheet';
import { isTerminal } from '../protocol';
import { formatBytes, formatCount } from '../view/format';
import { adoptStyle } from '../view/stylesheet';
import type { IExports } from './exports';
import type { DiskUse } from './panel/disk';
import { adoptPanelStyle } from './panel/style';
import { say } from './say';

/** @returns Whether anything may have changed. */
export async function clearFinished(exports: IExports, use: DiskUse | null): Promise<boolean> {
  const { words, messages, feed } = exports;
  const ended = [...feed.records.values()].filter(({ status }) => isTerminal(status));
  if (ended.length === 0) return false;
  const resumable = ended.some(({ status }) => status !== 'done');
  const leftovers = resumable ? (use?.leftovers ?? 0) : 0;
  const body = new Question(exports, ended.length, leftovers);
  const { button } = await showDialog({
    title: words.clearTitle,
    body,
    buttons: [
      Dialog.cancelButton({ label: words.cancel }),
      Dialog.warnButton({ label: words.clear }),
    ],
  });
  if (!button.accept) return false;
  try {
    const removed = await clear(exports, body.alsoLeftovers);
    for (const taskId of removed) feed.records.remove(taskId);
  } catch (error) {
    if (!(error instanceof ActionFailure)) throw error;
    await say(words.failed, messages.failure[error.key], words.close);
  }
  return true;
}

async function clear({ server }: IExports, leftovers: boolean): Promise<readonly string[]> {
  const url = new URL('api/jobs', server.base);
  url.searchParams.set('files', leftovers ? 'leftovers' : 'keep');
  let response: Response;
  try {
    response = await server.request(url.href, { method: 'DELETE' });
  } catch {
    throw new ActionFailure('unreachable');
  }
  if (response.status === 403) throw new ActionFailure('forbidden');
  if (!response.ok) throw new ActionFailure('refused');
  const { removed } = (await response.json()) as { removed?: unknown };
  return Array.isArray(removed) ? removed.filter((id) => typeof id === 'string') : [];
}

class Question extends Widget {
  readonly #leftovers = document.createElement('input');

  constructor({ words, messages }: IExports, count: number, leftovers: number) {
    super();
    this.addClass('pw-dialog');
    this.node.lang = messages.locale;
    const text = document.createElement('p');
    text.textContent = words.clearBody(formatCount(count, messages.locale));
    this.node.append(text);
    this.#leftovers.type = 'checkbox';
    if (leftovers === 0) return;
    const label = document.createElement('label');
    label.className = 'pw-check';
    const size = formatBytes(leftovers, messages.locale);
    label.append(this.#leftovers, words.alsoLeftovers(size));
    this.node.append(label);
  }

  get alsoLeftovers(): boolean {
    return this.#leftovers.checked;
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
    adoptExportStyle(this.node);
    adoptPanelStyle(this.node);
  }
}
