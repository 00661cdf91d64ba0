/** The buttons of the bar: which are there, what they say, and where the keyboard is. */

import type { Messages } from '../i18n';
import { button, setAttribute, setHidden, setText, setTitle, span } from './dom';
import { ACTION_ICONS, type ButtonName } from './icons';

/** From the last one to the first: each is built before the one that it stands behind. */
const BUTTONS: readonly ButtonName[] = [
  'details',
  'reveal',
  'link',
  'download',
  'save',
  'retry',
  'continue',
  'undo',
  'cancel',
  'resume',
  'pause',
  'follow',
  'reconnect',
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

export class Buttons {
  readonly element = span('pw-actions');
  readonly #messages: Messages;
  readonly #buttons = new Map<ButtonName, HTMLButtonElement>();

  readonly #press: (name: ButtonName) => void;
  readonly #signal: AbortSignal;

  /** @param press Called with the button that a person has pressed, unless it waits. */
  constructor(messages: Messages, press: (name: ButtonName) => void, signal: AbortSignal) {
    this.#messages = messages;
    this.#press = press;
    this.#signal = signal;
  }

  /** The element that a button opens and closes. */
  controls(name: ButtonName, id: string, open: boolean): void {
    const element = this.#buttons.get(name);
    if (!element) return;
    setAttribute(element, 'aria-controls', id);
    setAttribute(element, 'aria-expanded', String(open));
  }

  update({ shown, asked, name: file, copied }: ButtonState): void {
    const focused = [...this.#buttons.values()].find((element) => element.matches(':focus'));
    let next: HTMLButtonElement | null = null;
    for (const name of BUTTONS) {
      // Most are never needed, and a page may have hundreds of bars. The last one is there at once:
      // what others add stands behind it.
      if (next !== null && !shown.has(name) && !this.#buttons.has(name)) continue;
      const element: HTMLButtonElement = this.#buttons.get(name) ?? this.#build(name, next);
      const waiting = asked.has(name as Asked);
      const text = this.#textOf(name, waiting, copied);
      setText(element.lastChild as HTMLElement, text);
      setAttribute(element, 'aria-label', `${text} ${file}`);
      setTitle(element, text);
      // Nothing replaces a pending cancel. A truly disabled button would lose the keyboard's place.
      const waits = waiting || (asked.has('cancel') && STEERING.has(name));
      setAttribute(element, 'aria-disabled', String(waits));
      setHidden(element, !shown.has(name));
      next = element;
    }
    if (focused?.hidden) this.#passFocus(focused.dataset.action as ButtonName);
  }

  #build(name: ButtonName, next: HTMLButtonElement | null): HTMLButtonElement {
    const weight = QUIET.has(name) ? 'pw-quiet' : LOUD.has(name) ? 'pw-loud' : '';
    const element = button(`pw-button ${weight}`, ACTION_ICONS[name]);
    element.dataset.action = name;
    element.append(span('pw-label'));
    const onClick = () => {
      if (element.ariaDisabled !== 'true') this.#press(name);
    };
    element.addEventListener('click', onClick, { signal: this.#signal });
    this.#buttons.set(name, element);
    this.element.insertBefore(element, next);
    return element;
  }

  #textOf(name: ButtonName, waiting: boolean, copied: boolean): string {
    if (name === 'link' && copied) return this.#messages.copied;
    return waiting ? this.#messages.pending[name as Asked] : this.#messages.action[name];
  }

  /** A button that goes away under the keyboard hands its place to the next one, or to the card. */
  #passFocus(from: ButtonName): void {
    const heir = this.#buttons.get(HEIRS[from] ?? from);
    const next =
      heir?.hidden === false
        ? heir
        : this.element.querySelector<HTMLElement>('button:not([hidden])');
    if (next) {
      next.focus();
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

/** What a pending cancel makes useless. */
const STEERING: ReadonlySet<ButtonName> = new Set(['follow', 'pause', 'resume', 'cancel']);
