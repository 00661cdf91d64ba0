/** The buttons of the bar: which are there, what they say, and where the keyboard is. */

import type { Messages } from '../i18n';
import { button, setAttribute, setHidden, setText, setTitle, span } from './dom';
import { ACTION_ICONS, type ButtonName } from './icons';

const BUTTONS: readonly ButtonName[] = [
  'reconnect',
  'follow',
  'pause',
  'resume',
  'cancel',
  'undo',
  'continue',
  'retry',
  'save',
  'download',
  'link',
  'reveal',
  'details',
];

/** Those that are an icon only. */
const QUIET: ReadonlySet<ButtonName> = new Set(['follow', 'link', 'reveal', 'details']);

/** Those that a person waits for: they keep their words where there is little room. */
const LOUD: ReadonlySet<ButtonName> = new Set(['download', 'reconnect', 'undo', 'continue']);

/** What takes its time. */
export type Asked = Exclude<ButtonName, 'reconnect' | 'undo' | 'details'>;

export interface ButtonState {
  readonly shown: ReadonlySet<ButtonName>;
  /** Those whose work goes on. */
  readonly asked: ReadonlySet<Asked>;
  /** The file that they are about. */
  readonly name: string;
  /** The link is in the clipboard. */
  readonly copied: boolean;
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
      const weight = QUIET.has(name) ? 'pw-quiet' : LOUD.has(name) ? 'pw-loud' : '';
      const element = button(`pw-button ${weight}`, ACTION_ICONS[name]);
      element.dataset.action = name;
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

  /** The element that a button opens and closes. */
  controls(name: ButtonName, id: string, open: boolean): void {
    const element = this.#buttons.get(name)?.element;
    if (!element) return;
    setAttribute(element, 'aria-controls', id);
    setAttribute(element, 'aria-expanded', String(open));
  }

  update({ shown, asked, name: file, copied }: ButtonState): void {
    const focused = this.#all.find(({ element }) => element.matches(':focus'));
    for (const [name, { element, label }] of this.#buttons) {
      const waiting = isAsked(name, asked);
      const text = this.#textOf(name, waiting, copied);
      setText(label, text);
      setAttribute(element, 'aria-label', `${text} ${file}`);
      setTitle(element, text);
      // Nothing replaces a pending cancel. A truly disabled button would lose the keyboard's place.
      const waits = waiting || (asked.has('cancel') && STEERING.has(name));
      setAttribute(element, 'aria-disabled', String(waits));
      setHidden(element, !shown.has(name));
    }
    if (focused?.element.hidden) this.#passFocus(focused.element.dataset.action as ButtonName);
  }

  #textOf(name: ButtonName, waiting: boolean, copied: boolean): string {
    if (name === 'link' && copied) return this.#messages.copied;
    return waiting ? this.#messages.pending[name as Asked] : this.#messages.action[name];
  }

  get #all(): readonly Button[] {
    return [...this.#buttons.values()];
  }

  /** A button that goes away under the keyboard hands its place to the next one, or to the card. */
  #passFocus(from: ButtonName): void {
    const heir = this.#buttons.get(HEIRS[from] ?? from);
    const next = heir?.element.hidden === false ? heir : this.#all.find(isShown);
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

/** Which button a person expects in the place of another. */
const HEIRS: Partial<Record<ButtonName, ButtonName>> = {
  pause: 'resume',
  resume: 'pause',
  cancel: 'undo',
  undo: 'cancel',
};

function isShown({ element }: Button): boolean {
  return !element.hidden;
}

/** What a pending cancel makes useless. */
const STEERING: ReadonlySet<ButtonName> = new Set(['follow', 'pause', 'resume', 'cancel']);

function isAsked(name: ButtonName, asked: ReadonlySet<Asked>): boolean {
  return asked.has(name as Asked);
}
