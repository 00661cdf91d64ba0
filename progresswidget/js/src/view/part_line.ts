/** One part of a group: a line with its name, how far it is, and what went wrong. */

import type { Connection } from '../channel/connection';
import type { Messages } from '../i18n';
import { isTerminal, type JobRecord } from '../protocol';
import type { PartName } from './amounts';
import {
  block,
  button,
  setAttribute,
  setData,
  setDepth,
  setHidden,
  setStyle,
  setText,
  setTitle,
  span,
} from './dom';
import { inOneLine } from './format';
import { ACTION_ICONS } from './icons';
import { nameOf } from './kinds';
import { type Presentation, present } from './presentation';
import { StateMark } from './state_mark';
import { STEP } from './step_records';
import { Track } from './track';
import type { Row } from './virtual_list';

export interface PartLineOptions {
  readonly messages: Messages;
  /** What is known of the part by now. */
  read(): JobRecord | undefined;
  /** How many of the lines above it it runs within. */
  depth?(): number;
  /** That of the group: a part is as old as what is known of the group. */
  connection(): Connection;
  /** Null where no server can be reached from the page. */
  download(): ((record: JobRecord) => void) | null;
}

export class PartLine implements Row {
  readonly element = block('pw-part-line');
  readonly #options: PartLineOptions;
  readonly #living = new AbortController();
  readonly #icon = new StateMark();
  readonly #name = document.createElement('bdi');
  readonly #track = new Track('pw-part-track');
  readonly #words = span('pw-part-words');
  readonly #note = span('pw-part-note');
  readonly #button = button('pw-button', ACTION_ICONS.download);

  constructor(options: PartLineOptions) {
    this.#options = options;
    this.#name.className = 'pw-part-name';
    const press = () => {
      const record = this.#options.read();
      if (record) this.#options.download()?.(record);
    };
    this.#button.addEventListener('click', press, { signal: this.#living.signal });
    this.element.append(
      this.#icon.element,
      this.#name,
      this.#track.element,
      this.#words,
      this.#button,
      this.#note,
    );
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
    const name = nameOf(record);
    const ended = isTerminal(record.status);
    setDepth(this.element, this.#options.depth?.() ?? 0);
    setData(this.element, 'state', record.status);
    setData(this.element, 'stage', shown.stage);
    setData(this.element, 'stale', String(shown.stale));
    this.#icon.show(shown.icon);
    setText(this.#name, name);
    setTitle(this.#name, name);
    const words = inOneLine(factsOf(record, shown));
    setText(this.#words, words);
    setTitle(this.#words, words);
    const label = messages.label(name, record.kind);
    this.#track.update(label, shown.valueText, shown.percent, shown.moving);
    setHidden(this.#track.element, ended);
    setStyle(this.#track.fill, 'width', `${shown.percent ?? 0}%`);
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

/** What fits beside a name, the most important first: how far it is, or what it came to. */
function factsOf({ kind, status }: JobRecord, { words, parts }: Presentation): string[] {
  const texts = (...names: PartName[]) => names.flatMap((name) => parts.get(name)?.text ?? []);
  if (kind === STEP) return [words, ...texts('percent')];
  switch (status) {
    case 'done':
      return texts('rows', 'bytes', 'elapsed');
    case 'running': {
      // The bar of a loop has its percent, and what it counts is longer.
      const names = ['percent', parts.has('bytes') ? 'bytes' : 'rows'] as const;
      const facts = kind === 'task' ? texts('rows') : texts(...names);
      return facts.length > 0 ? facts : [words];
    }
    case 'paused':
      return [words, ...texts('percent')];
    default:
      return [words];
  }
}
