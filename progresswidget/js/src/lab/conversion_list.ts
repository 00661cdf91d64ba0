/** The bars of conversions below the path of a file browser, until a person closes them. */

import { Widget } from '@lumino/widgets';
import { ConversionFailure, convertAgain } from '../exporting/conversions';
import { adoptExportStyle } from '../exporting/stylesheet';
import type { ExportWords } from '../exporting/words';
import type { Messages } from '../i18n';
import { Job } from '../job';
import type { JobRecord } from '../protocol';
import { channelOf, type Server } from '../server';
import { adoptStyle } from '../view/stylesheet';

export interface ConversionListOptions {
  readonly server: Server;
  readonly messages: Messages;
  readonly words: ExportWords;
  /** Called when a file has been written. */
  readonly written: (record: JobRecord) => void;
}

export class ConversionList extends Widget {
  readonly #options: ConversionListOptions;
  readonly #rows = new Map<string, { job: Job; element: HTMLElement; unfollow: () => void }>();

  constructor(options: ConversionListOptions) {
    super();
    this.#options = options;
    this.addClass('pw-transfers');
    this.node.role = 'region';
    this.node.ariaLabel = options.words.list;
    this.node.lang = options.messages.locale;
    this.hide();
  }

  override dispose(): void {
    for (const taskId of [...this.#rows.keys()]) this.remove(taskId);
    super.dispose();
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
    adoptExportStyle(this.node);
  }

  /** Show the bar of a conversion, once. */
  add(record: JobRecord): void {
    const { taskId, name } = record;
    if (this.#rows.has(taskId)) return;
    const { server, messages, written } = this.#options;
    const element = document.createElement('div');
    element.className = 'pw-conversion';
    const tools = document.createElement('div');
    tools.className = 'pw-conversion-tools';
    const job = new Job({
      taskId,
      name,
      messages,
      server,
      snapshot: record,
      comm: null,
      onEnd: (ended) => {
        this.#showTools(tools, ended);
        if (ended.status === 'done') written(ended);
      },
    });
    this.node.append(element);
    job.attach(element);
    element.append(tools);
    const channel = channelOf(server);
    // A job that the server has lost has no end that could be told.
    const unfollow = channel.follow(taskId, ({ missing }) => {
      if (missing) tools.replaceChildren(this.#closeButton(taskId));
    });
    this.#rows.set(taskId, { job, element, unfollow });
    job.follow(channel);
    this.show();
  }

  remove(taskId: string): void {
    const row = this.#rows.get(taskId);
    this.#rows.delete(taskId);
    row?.unfollow();
    row?.job.dispose();
    row?.element.remove();
    this.setHidden(this.#rows.size === 0);
  }

  #showTools(tools: HTMLElement, { taskId, status }: JobRecord): void {
    const { server, words } = this.#options;
    const note = document.createElement('span');
    note.className = 'pw-conversion-note';
    note.role = 'alert';
    const again = button(words.again, async () => {
      again.disabled = true;
      note.textContent = '';
      try {
        await convertAgain(server, taskId);
        tools.replaceChildren();
      } catch (error) {
        again.disabled = false;
        if (!(error instanceof ConversionFailure)) throw error;
        note.textContent = words.failure[error.key];
      }
    });
    const close = this.#closeButton(taskId);
    tools.replaceChildren(...(status === 'interrupted' ? [note, again] : []), close);
  }

  #closeButton(taskId: string): HTMLButtonElement {
    return button(this.#options.words.close, () => this.remove(taskId));
  }
}

function button(label: string, act: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = label;
  element.addEventListener('click', act);
  return element;
}
