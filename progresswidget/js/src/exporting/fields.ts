/** Rows of a form: a label and what a person sets by it. */

import type { OptionOffer, Value } from './offers';
import type { ExportWords } from './words';

let made = 0;

/** A row whose control is labelled; the label of a check box follows it. */
export function row(label: string, control: HTMLInputElement | HTMLSelectElement): HTMLElement {
  made += 1;
  control.id = `pw-export-${made}`;
  const element = document.createElement('div');
  element.className = 'pw-export-row';
  const text = document.createElement('label');
  text.htmlFor = control.id;
  text.textContent = label;
  if (control.type === 'checkbox') {
    element.classList.add('pw-mod-check');
    element.append(control, text);
  } else {
    element.append(text, control);
  }
  return element;
}

export function textInput(value: string, placeholder = ''): HTMLInputElement {
  const input = document.createElement('input');
  input.type = 'text';
  input.value = value;
  input.placeholder = placeholder;
  input.spellcheck = false;
  input.autocomplete = 'off';
  return input;
}

export function select(choices: readonly (readonly [value: string, text: string])[]) {
  const element = document.createElement('select');
  for (const [value, text] of choices) element.add(new Option(text, value));
  return element;
}

/** One option of a format, and what it is set to. */
export class OptionField {
  readonly element: HTMLElement;
  readonly #offer: OptionOffer;
  readonly #control: HTMLInputElement | HTMLSelectElement;

  constructor(offer: OptionOffer, words: ExportWords) {
    this.#offer = offer;
    this.#control = controlOf(offer, words);
    this.#set(offer.default);
    this.element = row(words.options[offer.name] ?? offer.name, this.#control);
    this.element.title = offer.about;
    this.#control.dataset.option = offer.name;
  }

  get name(): string {
    return this.#offer.name;
  }

  get value(): Value {
    const { optional, kinds } = this.#offer;
    const control = this.#control;
    if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
    if (control.value === '' && optional) return null;
    if (!(control instanceof HTMLInputElement) || control.type !== 'number') return control.value;
    if (control.value === '' || !Number.isFinite(control.valueAsNumber)) return this.#offer.default;
    return kinds.includes('float') ? control.valueAsNumber : Math.round(control.valueAsNumber);
  }

  get isUsual(): boolean {
    return this.value === this.#offer.default;
  }

  #set(value: Value): void {
    const control = this.#control;
    if (control instanceof HTMLInputElement && control.type === 'checkbox') {
      control.checked = value === true;
    } else {
      control.value = value === null ? '' : String(value);
    }
  }
}

function controlOf(offer: OptionOffer, words: ExportWords) {
  const { name, kinds, optional, choices } = offer;
  if (name === 'delimiter') {
    return select(Object.entries(words.delimiters));
  }
  if (choices.length > 0) {
    const shown = choices.map((value) => [value, words.choices[value] ?? value] as const);
    return select(optional ? [['', words.usual], ...shown] : shown);
  }
  if (kinds.includes('bool')) {
    const input = document.createElement('input');
    input.type = 'checkbox';
    return input;
  }
  const input = textInput('', optional ? words.usual : '');
  if (!kinds.includes('str')) input.type = 'number';
  return input;
}
