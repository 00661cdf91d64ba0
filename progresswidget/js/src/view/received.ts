/** The second, thin bar: how much of the file the server has handed out, to whatever downloads it. */

import type { Messages } from '../i18n';
import type { TransferRecord } from '../protocol';
import { block, setData, setHidden, setStyle, setText, span } from './dom';
import { formatBytes } from './format';
import { Track } from './track';

export class ReceivedBar {
  readonly element = block('pw-received');
  readonly #messages: Messages;
  readonly #track = new Track('pw-received-track', 'pw-received-fill');
  readonly #words = span('pw-received-words');

  constructor(messages: Messages) {
    this.#messages = messages;
    this.element.append(this.#track.element, this.#words);
  }

  /** Show how far a download is. */
  update(record: TransferRecord): void {
    const words = this.#say(record);
    const percent = record.size === null ? null : share(record.received, record.size);
    setData(this.element, 'state', state(record));
    setText(this.#words, words);
    this.#track.update(this.#messages.received.label(record.name), words, percent);
    setHidden(this.#track.element, record.complete || percent === null);
    setStyle(this.#track.fill, 'width', `${percent ?? 0}%`);
  }

  #say(record: TransferRecord): string {
    const { locale, received } = this.#messages;
    const bytes = formatBytes(record.received, locale);
    if (record.complete || record.size === null) return received[state(record)](bytes);
    const of = this.#messages.sizeOf(bytes, formatBytes(record.size, locale));
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
