/** The columns of a frame, to be searched and chosen from; thousands are no more work than ten. */

import type { Messages } from '../i18n';
import { type Row, VirtualList } from '../view/virtual_list';
import type { DialogWords } from './dialog_words';

export type Column = readonly [name: string, type: string];

const ROW_HEIGHT = 24;

export class ColumnList {
  readonly element = document.createElement('fieldset');
  readonly #columns: readonly Column[];
  readonly #chosen: boolean[];
  readonly #words: DialogWords;
  readonly #number: Intl.NumberFormat;
  readonly #search = document.createElement('input');
  readonly #count = document.createElement('span');
  readonly #list: VirtualList;
  readonly #changed: () => void;

  constructor(
    columns: readonly Column[],
    words: DialogWords,
    messages: Messages,
    changed: () => void,
  ) {
    this.#columns = columns;
    this.#chosen = columns.map(() => true);
    this.#words = words;
    this.#number = new Intl.NumberFormat(messages.locale);
    this.#changed = changed;
    this.element.className = 'pw-columns';
    const legend = document.createElement('legend');
    this.#count.className = 'pw-columns-count';
    this.#count.role = 'status';
    legend.append(words.columns);
    this.#search.type = 'search';
    this.#search.placeholder = words.search;
    this.#search.ariaLabel = words.search;
    this.#search.addEventListener('input', (event) => {
      event.stopPropagation();
      this.#arrange();
    });
    const tools = document.createElement('div');
    tools.className = 'pw-columns-tools';
    tools.append(
      this.#search,
      this.#button(words.all, true),
      this.#button(words.none, false),
      this.#count,
    );
    this.#list = new VirtualList({
      label: words.columns,
      estimate: ROW_HEIGHT,
      create: (key) => this.#row(Number(key)),
    });
    this.element.append(legend, tools, this.#list.element);
    this.#arrange();
    this.#showCount();
  }

  /** The names in the order of the frame; null where all are chosen. */
  get value(): readonly string[] | null {
    if (this.#chosen.every((one) => one)) return null;
    return this.#columns.filter((_, at) => this.#chosen[at]).map(([name]) => name);
  }

  dispose(): void {
    this.#list.dispose();
  }

  get #found(): number[] {
    const wanted = this.#search.value.trim().toLowerCase();
    return this.#columns.flatMap(([name], at) =>
      wanted === '' || name.toLowerCase().includes(wanted) ? [at] : [],
    );
  }

  #arrange(): void {
    this.#list.arrange(this.#found.map(String));
  }

  #row(at: number): Row {
    const element = document.createElement('label');
    element.className = 'pw-column';
    const box = document.createElement('input');
    box.type = 'checkbox';
    const [name = '', type = ''] = this.#columns[at] ?? [];
    const title = document.createElement('span');
    title.className = 'pw-column-name';
    title.textContent = name;
    title.title = name;
    const kind = document.createElement('span');
    kind.className = 'pw-column-type';
    kind.textContent = type;
    element.append(box, title, kind);
    box.addEventListener('change', (event) => {
      event.stopPropagation();
      this.#chosen[at] = box.checked;
      this.#tell();
    });
    const update = () => {
      box.checked = this.#chosen[at] === true;
    };
    update();
    return { element, update, dispose: () => undefined, press: () => box.click() };
  }

  /** Chooses what the search has found. */
  #button(label: string, chosen: boolean): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = label;
    button.addEventListener('click', () => {
      for (const at of this.#found) this.#chosen[at] = chosen;
      this.#list.refresh();
      this.#tell();
    });
    return button;
  }

  #tell(): void {
    this.#showCount();
    this.#changed();
  }

  #showCount(): void {
    const count = this.#chosen.filter((one) => one).length;
    const [chosen, all] = [count, this.#columns.length].map((n) => this.#number.format(n));
    this.#count.textContent = this.#words.chosen(chosen ?? '', all ?? '');
  }
}
