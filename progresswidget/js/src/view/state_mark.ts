/** The icon of a state, which is drawn anew only where it is another one: it may be turning. */

import { span } from './dom';
import { STATE_ICONS, type StateIcon } from './icons';

export class StateMark {
  readonly element = span('pw-icon');
  #shown: StateIcon | null = null;

  constructor() {
    // The words beside it say the same.
    this.element.ariaHidden = 'true';
  }

  show(icon: StateIcon): void {
    if (icon === this.#shown) return;
    this.#shown = icon;
    this.element.innerHTML = STATE_ICONS[icon];
  }
}
