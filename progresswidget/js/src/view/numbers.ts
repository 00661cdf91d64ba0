/** The line of numbers below the bar: a part for each, and real text between them. */

import type { Part, PartName } from './amounts';
import { block, setHidden, setText, setTitle, span } from './dom';
import { BETWEEN } from './format';

const PARTS: readonly PartName[] = [
  // Of a transfer, whose name has the line above to itself.
  'words',
  'percent',
  'rows',
  'reused',
  'bytes',
  'rate',
  'elapsed',
  'time',
  'postfix',
  'digest',
];

export class Numbers {
  readonly element = block('pw-numbers');
  readonly #parts = new Map<PartName, { text: HTMLSpanElement; separator: HTMLSpanElement }>();

  constructor() {
    for (const name of PARTS) {
      const text = span('pw-part');
      text.dataset.part = name;
      text.hidden = true;
      // Real text, so that a copied line can be read.
      const separator = span('pw-separator');
      separator.dataset.before = name;
      separator.textContent = BETWEEN;
      separator.hidden = true;
      this.#parts.set(name, { text, separator });
      this.element.append(separator, text);
    }
  }

  update(shown: ReadonlyMap<PartName, Part>): void {
    let follows = false;
    for (const [name, { text, separator }] of this.#parts) {
      const part = shown.get(name);
      setHidden(separator, !follows || part === undefined);
      follows ||= part !== undefined;
      setText(text, part?.text ?? '');
      setTitle(text, part?.title ?? '');
      setHidden(text, part === undefined);
    }
  }
}
