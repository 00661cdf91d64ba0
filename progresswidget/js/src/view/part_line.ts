/** One part of a group: a line with its name, how far it is, and what went wrong. */

import type { Connection } from '../channel/connection';
import type { Messages } from '../i18n';
import { isTerminal, type JobRecord } from '../protocol';
import { block, setAttribute, setData, setHidden, setText, setTitle, span } from './dom';
import { ACTION_ICONS, STATE_ICONS } from './icons';
import { type PartName, type Presentation, present } from './presentation';
import { STEP } from './step_records';
import type { Row } from './virtual_list';

export interface PartLineOptions {
  readonly messages: Messages;
  /** What is known of the part by now. */
  read(): JobRecord | undefined;
  /** That of the group: a part is as old as what is known of the group. */
  connection(): Connection;
  /** Null where no server can be reached from the page. */
  download(): ((record: JobRecord) => void) | null;
}

export class PartLine implements Row {
  readonly element = block('pw-part-line');
  readonly #options: PartLineOptions;
  readonly #living = new AbortController();
  readonly #icon = span('pw-icon');
  readonly #name = document.createElement('bdi');
  readonly #track = span('pw-part-track');
  readonly #fill = span('pw-fill');
  readonly #words = span('pw-part-words');
  readonly #note = span('pw-part-note');
  readonly #button = document.createElement('button');
  #shownIcon = '';

  constructor(options: PartLineOptions) {
    this.#options = options;
    this.#icon.ariaHidden = 'true';
    this.#name.className = 'pw-part-name';
    this.#track.role = 'progressbar';
    this.#track.setAttribute('aria-valuemin', '0');
    this.#track.setAttribute('aria-valuemax', '100');
    this.#track.append(this.#fill);
    this.#button.type = 'button';
    this.#button.className = 'pw-button';
    this.#button.innerHTML = ACTION_ICONS.download;
    const press = () => {
      const record = this.#options.read();
      if (record) this.#options.download()?.(record);
    };
    this.#button.addEventListener('click', press, { signal: this.#living.signal });
    this.element.append(this.#icon, this.#name, this.#track, this.#words, this.#button, this.#note);
  }

  update(): void {
    const record = this.#options.read();
    if (!record) return;
    const { messages, connection, download } = this.#options;
    const floor = record.progress ?? 0;
    const shown = present(
      { record, connection: connection(), floor, canDownload: download() !== null },
      messages,
    );
    const name = record.title ?? record.name;
    const ended = isTerminal(record.status);
    setData(this.element, 'state', record.status);
    setData(this.element, 'stage', shown.stage);
    setData(this.element, 'stale', String(shown.stale));
    if (this.#shownIcon !== shown.icon) {
      this.#shownIcon = shown.icon;
      this.#icon.innerHTML = STATE_ICONS[shown.icon];
    }
    setText(this.#name, name);
    setTitle(this.#name, name);
    setText(this.#words, wordsOf(record, shown));
    setAttribute(this.#track, 'aria-label', messages.label(name, record.kind));
    setAttribute(this.#track, 'aria-valuetext', shown.valueText);
    if (shown.percent === null) this.#track.removeAttribute('aria-valuenow');
    else setAttribute(this.#track, 'aria-valuenow', String(Math.floor(shown.percent)));
    setData(this.#track, 'indeterminate', String(shown.percent === null && shown.moving));
    setHidden(this.#track, ended);
    const width = `${shown.percent ?? 0}%`;
    if (this.#fill.style.width !== width) this.#fill.style.width = width;
    setText(this.#note, shown.note?.message ?? '');
    setTitle(this.#note, shown.note ? `${shown.note.message} ${shown.note.hint}`.trim() : '');
    setHidden(this.#note, shown.note === null);
    setHidden(this.#button, !shown.buttons.has('download'));
    setAttribute(this.#button, 'aria-label', `${messages.action.download} ${name}`);
    setTitle(this.#button, messages.action.download);
  }

  dispose(): void {
    this.#living.abort();
  }
}

/** What fits beside a name: how far it is, or what it came to. */
function wordsOf({ kind, status }: JobRecord, { words, parts }: Presentation): string {
  const texts = (...names: PartName[]) => names.flatMap((name) => parts.get(name)?.text ?? []);
  if (kind === STEP) return [words, ...texts('percent')].join(' · ');
  switch (status) {
    case 'done':
      return texts('rows', 'bytes', 'time').join(' · ');
    case 'running':
      // The bar of a loop has its percent, and what it counts is longer.
      if (kind === 'task') return texts('rows').join('') || words;
      return texts('percent', parts.has('bytes') ? 'bytes' : 'rows').join(' · ') || words;
    case 'paused':
      return [words, ...texts('percent')].join(' · ');
    default:
      return words;
  }
}
