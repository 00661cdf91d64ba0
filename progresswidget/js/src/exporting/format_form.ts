/** The part of a dialog in which a person says how a table is written, and under which name. */

import { OptionField, row, select, textInput } from './fields';
import { type Choice, type FormatOffer, type Offers, renamed } from './offers';
import type { ExportWords } from './words';

/** Options that many set; the others are one click away. */
const USUAL = new Set([
  ...['delimiter', 'header', 'null', 'decimal_comma', 'compression', 'sheet_name', 'table'],
  ...['title', 'row_limit', 'orientation', 'freeze_header', 'autofilter'],
]);
/** Without a choice, or only of use to programs. */
const HIDDEN = new Set(['encoding', 'language', 'column_widths', 'bloom_filter']);

export interface FormatFormOptions {
  readonly offers: Offers;
  readonly words: ExportWords;
  /** What is chosen at first; the name has the ending of its format. */
  readonly choice: Choice;
  /** Called when a person has changed anything. */
  readonly changed?: () => void;
}

export class FormatForm {
  readonly element = document.createElement('div');
  readonly #offers: Offers;
  readonly #words: ExportWords;
  readonly #format: HTMLSelectElement;
  readonly #packing: HTMLSelectElement;
  readonly #packingRow: HTMLElement;
  readonly #name: HTMLInputElement;
  readonly #usual = document.createElement('div');
  readonly #more = document.createElement('details');
  readonly #rest = document.createElement('div');
  #fields: OptionField[] = [];
  #ending: string;

  constructor({ offers, words, choice, changed }: FormatFormOptions) {
    this.#offers = offers;
    this.#words = words;
    this.element.className = 'pw-export-form';
    this.#format = select(offers.formats.map((one) => [one.name, labelOf(one, words)]));
    for (const option of this.#format.options) {
      option.disabled = this.#offer(option.value)?.missing !== null;
    }
    this.#format.value = choice.format;
    this.#packing = select([
      ['', words.unpacked],
      ...offers.packings.map((one) => [one, one] as const),
    ]);
    this.#packing.value = choice.packing;
    this.#packingRow = row(words.packing, this.#packing);
    this.#name = textInput(choice.name);
    this.#name.className = 'pw-export-filename';
    this.#usual.className = 'pw-export-options';
    this.#rest.className = 'pw-export-options';
    const summary = document.createElement('summary');
    summary.textContent = words.more;
    this.#more.append(summary, this.#rest);
    this.element.append(
      row(words.name, this.#name),
      row(words.format, this.#format),
      this.#packingRow,
      this.#usual,
      this.#more,
    );
    this.#ending = this.#endingOf(this.#packing.value);
    this.#showOptions();
    this.#format.addEventListener('change', () => this.#showOptions());
    this.element.addEventListener('change', () => this.#rename());
    if (changed) {
      this.element.addEventListener('change', changed);
      this.element.addEventListener('input', changed);
    }
  }

  get value(): Choice {
    const set = this.#fields.filter((field) => !field.isUsual);
    return {
      format: this.#format.value,
      packing: this.#isPackable ? this.#packing.value : '',
      name: this.#name.value.trim(),
      options: Object.fromEntries(set.map((field) => [field.name, field.value])),
    };
  }

  get #isPackable(): boolean {
    return this.#offer(this.#format.value)?.packable === true;
  }

  #offer(name: string): FormatOffer | undefined {
    return this.#offers.formats.find((one) => one.name === name);
  }

  #endingOf(packing: string): string {
    const offer = this.#offer(this.#format.value);
    return (offer?.endings[0] ?? '') + (offer?.packable ? packing : '');
  }

  /** The name follows the format, unless a person gave it an ending of their own. */
  #rename(): void {
    const ending = this.#endingOf(this.#packing.value);
    this.#name.value = renamed(this.#name.value, this.#ending, ending);
    this.#ending = ending;
  }

  #showOptions(): void {
    const offers = this.#offer(this.#format.value)?.options ?? [];
    this.#fields = offers
      .filter(({ name }) => !HIDDEN.has(name))
      .map((offer) => new OptionField(offer, this.#words));
    const of = (usual: boolean) =>
      this.#fields.filter(({ name }) => USUAL.has(name) === usual).map(({ element }) => element);
    this.#usual.replaceChildren(...of(true));
    this.#rest.replaceChildren(...of(false));
    this.#more.hidden = this.#rest.childElementCount === 0;
    this.#packingRow.hidden = !this.#isPackable;
  }
}

function labelOf({ name, missing }: FormatOffer, words: ExportWords): string {
  const label = words.formats[name] ?? name;
  return missing === null ? label : `${label} — ${words.needs(missing)}`;
}
