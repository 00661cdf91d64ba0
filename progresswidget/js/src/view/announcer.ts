/** Tells a screen reader what has changed: never the numbers, and not what was there at first. */

import { setText, span } from './dom';

export class Announcer {
  readonly element = span('pw-announcer');
  #known: string | null = null;

  constructor() {
    this.element.role = 'status';
    this.element.ariaLive = 'polite';
  }

  /** Say what is so now of what has a name, where it was not so before; nothing is no news. */
  update(name: string, text: string): void {
    if (this.#known !== null && this.#known !== text && text !== '') this.say(`${name}: ${text}`);
    this.#known = text;
  }

  say(text: string): void {
    setText(this.element, text);
  }
}
