/** What stands in the place of the list where it has no rows: why, and what helps. */

import { block, setText } from '../../view/dom';

export interface Emptiness {
  readonly title: string;
  readonly hint?: string;
  /** An example of code. */
  readonly code?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export class Empty {
  readonly element = block('pw-empty');
  readonly #title = block('pw-empty-title');
  readonly #hint = block('pw-empty-hint');
  readonly #code = document.createElement('code');
  readonly #button = document.createElement('button');
  #run: () => void = () => {};

  constructor(signal: AbortSignal) {
    this.#button.type = 'button';
    this.#button.className = 'jp-mod-styled pw-empty-button';
    this.#button.addEventListener('click', () => this.#run(), { signal });
    this.#code.className = 'pw-empty-code';
    this.element.role = 'status';
    this.element.append(this.#title, this.#hint, this.#code, this.#button);
    this.show(null);
  }

  /** Null where there is something else to see. */
  show(emptiness: Emptiness | null): void {
    this.element.hidden = emptiness === null;
    const { title, hint, code, action } = emptiness ?? {};
    for (const [element, text] of [
      [this.#title, title],
      [this.#hint, hint],
      [this.#code, code],
      [this.#button, action?.label],
    ] as const) {
      setText(element, text ?? '');
      element.hidden = text === undefined;
    }
    this.#run = action?.run ?? (() => {});
  }
}
