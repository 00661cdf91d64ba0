/** The first rows of what is chosen, and how much it will be. */

import type { Messages } from '../i18n';
import { formatBytes } from '../view/format';
import type { Column } from './column_list';
import type { DialogWords } from './dialog_words';

export interface Preview {
  readonly columns: readonly Column[];
  /** Columns that are not shown. */
  readonly more: number;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly total: number | null;
  readonly bytes: number | null;
  /** Whether the size is that of all rows, and no estimate. */
  readonly exact: boolean;
}

export class PreviewTable {
  readonly element = document.createElement('div');
  readonly #words: DialogWords;
  readonly #locale: string;
  readonly #facts = document.createElement('p');
  readonly #scroll = document.createElement('div');

  constructor(words: DialogWords, { locale }: Messages) {
    this.#words = words;
    this.#locale = locale;
    this.element.className = 'pw-preview';
    this.#facts.className = 'pw-preview-facts';
    this.#facts.role = 'status';
    this.#scroll.className = 'pw-preview-scroll';
    this.#scroll.tabIndex = 0;
    this.#scroll.role = 'region';
    this.#scroll.ariaLabel = words.preview;
    this.element.append(this.#facts, this.#scroll);
  }

  /** Say something in the place of the facts; the rows that are there become pale. */
  say(text: string): void {
    this.#facts.textContent = text;
    this.element.classList.add('pw-mod-old');
  }

  clear(): void {
    this.#scroll.replaceChildren();
    this.#scroll.hidden = true;
  }

  show({ columns, more, rows, total, bytes, exact }: Preview): void {
    const words = this.#words;
    const number = new Intl.NumberFormat(this.#locale);
    const size = bytes === null ? null : formatBytes(bytes, this.#locale);
    const facts = [
      total === null ? words.unknownRows : words.rows(number.format(total)),
      size === null ? words.unknownSize : exact ? words.size(size) : words.about(size),
    ];
    if (more > 0) facts.push(words.moreColumns(number.format(more)));
    if (rows.length === 0) facts.push(words.noRows);
    this.#facts.textContent = facts.join(' · ');
    this.element.classList.remove('pw-mod-old');
    this.#scroll.hidden = false;
    this.#scroll.replaceChildren(table(columns, rows));
  }
}

function table(columns: readonly Column[], rows: Preview['rows']): HTMLTableElement {
  const element = document.createElement('table');
  const numeric = columns.map(([, type]) => /^(u?int|float|double|decimal|half)/.test(type));
  const head = element.createTHead().insertRow();
  for (const [at, [name, type]] of columns.entries()) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = name;
    cell.title = type;
    cell.classList.toggle('pw-mod-number', numeric[at] === true);
    head.append(cell);
  }
  const body = element.createTBody();
  for (const values of rows) {
    const line = body.insertRow();
    for (const [at, value] of values.entries()) {
      const cell = line.insertCell();
      cell.textContent = value ?? 'null';
      cell.classList.toggle('pw-mod-null', value === null);
      cell.classList.toggle('pw-mod-number', numeric[at] === true);
    }
  }
  return element;
}
