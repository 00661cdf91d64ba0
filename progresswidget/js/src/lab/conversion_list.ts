/** The bars of conversions below the path of a file browser, until a person closes them. */

import { Widget } from '@lumino/widgets';
import { ConversionFailure, convertAgain } from '../exporting/conversions';
import { adoptExportStyle } from '../exporting/stylesheet';
import type { ExportWords } from '../exporting/words';
import type { Messages } from '../i18n';
import { Job } from '../job';
import type { JobRecord } from '../protocol';
import { channelOf, type Server } from '../server';
import { block } from '../view/dom';
import { TRANSFER_ICONS } from '../view/icons';
import { adoptStyle } from '../view/stylesheet';
import { adoptPanelStyle } from './panel/style';
import { takeOff } from './transfer_list';

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
    adoptPanelStyle(this.node);
    adoptExportStyle(this.node);
  }

  /** Show the bar of a conversion, once. */
  add(record: JobRecord): void {
    const { taskId, name } = record;
    if (this.#rows.has(taskId)) return;
    const { server, messages, written } = this.#options;
    const element = block('pw-conversion');
    const tools = block('pw-conversion-tools');
    const close = this.#closeButton(taskId, name);
    const job = new Job({
      taskId,
      name,
      messages,
      server,
      snapshot: record,
      comm: null,
      onEnd: (ended) => {
        close.hidden = false;
        if (ended.status === 'interrupted') this.#offerToGoOn(tools, close, taskId);
        if (ended.status === 'done') written(ended);
      },
    });
    this.node.append(element);
    job.attach(element);
    element.append(tools);
    // Beside the buttons of the bar: a row of a list has no room for a foot.
    job.view.element.querySelector('.pw-actions')?.append(close);
    const channel = channelOf(server);
    // A job that the server has lost has no end that could be told.
    const unfollow = channel.follow(taskId, ({ missing }) => {
      if (missing) close.hidden = false;
    });
    this.#rows.set(taskId, { job, element, unfollow });
    job.follow(channel);
    this.show();
  }

  remove(taskId: string): void {
    const row = this.#rows.get(taskId);
    this.#rows.delete(taskId);
    takeOff(this.node, () => {
      row?.unfollow();
      row?.job.dispose();
      row?.element.remove();
      this.setHidden(this.#rows.size === 0);
    });
  }

  #offerToGoOn(tools: HTMLElement, close: HTMLElement, taskId: string): void {
    const { server, words } = this.#options;
    const note = document.createElement('span');
    note.className = 'pw-conversion-note';
    note.role = 'alert';
    const again = document.createElement('button');
    again.type = 'button';
    again.textContent = words.again;
    again.addEventListener('click', async () => {
      again.disabled = true;
      note.textContent = '';
      try {
        await convertAgain(server, taskId);
        tools.replaceChildren();
        close.hidden = true;
      } catch (error) {
        again.disabled = false;
        if (!(error instanceof ConversionFailure)) throw error;
        note.textContent = words.failure[error.key];
      }
    });
    tools.replaceChildren(note, again);
  }

  /** Of what has ended, or is not known any more. */
  #closeButton(taskId: string, name: string): HTMLButtonElement {
    const { words } = this.#options;
    const element = document.createElement('button');
    element.type = 'button';
    element.className = 'pw-button pw-quiet';
    element.innerHTML = TRANSFER_ICONS.dismiss;
    element.title = words.close;
    element.ariaLabel = `${words.close} ${name}`;
    element.hidden = true;
    element.addEventListener('click', () => this.remove(taskId));
    return element;
  }
}
