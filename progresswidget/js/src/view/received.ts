/** The second, thin bar: how much of the file the server has handed out, to whatever downloads it. */

import type { Messages } from '../i18n';
import type { TransferRecord } from '../protocol';
import { block, setAttribute, setHidden, setText, span } from './dom';
import { formatBytes } from './format';

export class ReceivedBar {
  readonly element = block('pw-received');
  readonly #messages: Messages;
  readonly #track = block('pw-received-track');
  readonly #fill = block('pw-received-fill');
  readonly #words = span('pw-received-words');

  constructor(messages: Messages) {
    this.#messages = messages;
    this.#track.role = 'progressbar';
    this.#track.setAttribute('aria-valuemin', '0');
    this.#track.setAttribute('aria-valuemax', '100');
    this.#track.append(this.#fill);
    this.element.append(this.#track, this.#words);
  }

  /** Show how far a download is. */
  update(record: TransferRecord): void {
    const words = this.#say(record);
    const percent = record.size === null ? null : share(record.received, record.size);
    this.element.dataset.state = state(record);
    setText(this.#words, words);
    setAttribute(this.#track, 'aria-label', this.#messages.received.label(record.name));
    setAttribute(this.#track, 'aria-valuetext', words);
    if (percent === null) this.#track.removeAttribute('aria-valuenow');
    else setAttribute(this.#track, 'aria-valuenow', String(Math.floor(percent)));
    setHidden(this.#track, record.complete || percent === null);
    this.#fill.style.width = `${percent ?? 0}%`;
  }

  #say(record: TransferRecord): string {
    const { locale, received } = this.#messages;
    const bytes = formatBytes(record.received, locale);
    if (record.complete || record.size === null) return received[state(record)](bytes);
    const of = this.#messages.transfer.bytesOf(bytes, formatBytes(record.size, locale));
    return received[state(record)](of);
  }
}

function state(record: TransferRecord): 'running' | 'complete' | 'stopped' {
  if (record.complete) return 'complete';
  return record.active ? 'running' : 'stopped';
}

function share(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.min(100, (100 * part) / whole);
}
