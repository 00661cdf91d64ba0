/** The buttons of the bar: which are there, what they say, and where the keyboard is. */

import type { Messages } from '../i18n';
import { setAttribute, setHidden, setText, setTitle, span } from './dom';
import { ACTION_ICONS, type ButtonName } from './icons';

const BUTTONS: readonly ButtonName[] = [
  'reconnect',
  'follow',
  'pause',
  'resume',
  'cancel',
  'save',
  'download',
];

/** What takes its time. */
export type Asked = Exclude<ButtonName, 'reconnect'>;

export interface ButtonState {
  readonly shown: ReadonlySet<ButtonName>;
  /** Those whose work goes on. */
  readonly asked: ReadonlySet<Asked>;
  /** The file that they are about. */
  readonly name: string;
}

interface Button {
  readonly element: HTMLButtonElement;
  readonly label: HTMLSpanElement;
}

export class Buttons {
  readonly element = span('pw-actions');
  readonly #messages: Messages;
  readonly #buttons = new Map<ButtonName, Button>();

  /** @param press Called with the button that a person has pressed, unless it waits. */
  constructor(messages: Messages, press: (name: ButtonName) => void, signal: AbortSignal) {
    this.#messages = messages;
    for (const name of BUTTONS) {
      const element = document.createElement('button');
      element.type = 'button';
      element.className = 'pw-button';
      element.dataset.action = name;
      element.innerHTML = ACTION_ICONS[name];
      const label = span('pw-label');
      element.append(label);
      const onClick = () => {
        if (element.ariaDisabled !== 'true') press(name);
      };
      element.addEventListener('click', onClick, { signal });
      this.#buttons.set(name, { element, label });
      this.element.append(element);
    }
  }

  update({ shown, asked, name: file }: ButtonState): void {
    const focused = this.#all.find(({ element }) => element.matches(':focus'));
    for (const [name, { element, label }] of this.#buttons) {
      const isAsked = name !== 'reconnect' && asked.has(name);
      const text = isAsked ? this.#messages.pending[name] : this.#messages.action[name];
      setText(label, text);
      setAttribute(element, 'aria-label', `${text} ${file}`);
      setTitle(element, text);
      // Nothing replaces a pending cancel. A truly disabled button would lose the keyboard's place.
      const closed = name !== 'reconnect' && name !== 'download' && name !== 'save';
      const waits = isAsked || (asked.has('cancel') && closed);
      setAttribute(element, 'aria-disabled', String(waits));
      setHidden(element, !shown.has(name));
    }
    if (focused?.element.hidden) this.#passFocus();
  }

  get #all(): readonly Button[] {
    return [...this.#buttons.values()];
  }

  /** A button that goes away under the keyboard hands its place to the next one, or to the card. */
  #passFocus(): void {
    const next = this.#all.find(({ element }) => !element.hidden);
    if (next) {
      next.element.focus();
      return;
    }
    // Only for as long as it holds the focus: a click into the card is the notebook's affair.
    const card = this.element.closest<HTMLElement>('.pw-job');
    if (!card) return;
    card.tabIndex = -1;
    card.focus({ preventScroll: true });
    card.addEventListener('blur', () => card.removeAttribute('tabindex'), { once: true });
  }
}
