/** The bar of one transfer: a row in a job's card, or in the list below a file browser's path. */

import type { Messages } from '../i18n';
import { isMoving, Meter, type TransferState } from '../transfer';
import { block, setAttribute, setText, setTitle, span } from './dom';
import { STATE_ICONS, TRANSFER_ICONS, type TransferButton } from './icons';
import {
  type Direction,
  presentTransfer,
  type TransferPart,
  type TransferPresentation,
} from './transfer_presentation';

export interface TransferHandlers {
  pause(): void;
  resume(): void;
  cancel(): void;
  dismiss(): void;
  /** Null where the whole cannot be done once more. */
  readonly again: (() => void) | null;
}

export interface TransferViewOptions {
  readonly name: string;
  readonly direction: Direction;
  readonly messages: Messages;
  readonly handlers: TransferHandlers;
}

const BUTTONS: readonly TransferButton[] = ['pause', 'resume', 'again', 'cancel', 'dismiss'];
const PARTS: readonly TransferPart[] = ['percent', 'bytes', 'rate', 'time'];

export class TransferView {
  readonly element = block('pw-transfer');
  readonly #options: TransferViewOptions;
  readonly #living = new AbortController();
  readonly #meter = new Meter();
  readonly #icon = span('pw-icon');
  readonly #words = span('pw-words');
  readonly #track = block('pw-track');
  readonly #fill = block('pw-fill');
  readonly #numbers = block('pw-numbers');
  readonly #parts = new Map<TransferPart, readonly [HTMLSpanElement, HTMLSpanElement]>();
  readonly #note = block('pw-note');
  readonly #announcer = span('pw-announcer');
  readonly #buttons = new Map<TransferButton, HTMLButtonElement>();
  #shownIcon = '';
  #announced: string | null = null;

  constructor(options: TransferViewOptions) {
    this.#options = options;
    this.#build();
  }

  update(state: TransferState): void {
    if (!isMoving(state)) this.#meter.reset();
    const running = state.status === 'running';
    const rate = running ? this.#meter.note(performance.now(), state.offset) : null;
    const { direction, messages, handlers } = this.#options;
    const again = handlers.again !== null;
    const shown = presentTransfer(state, direction, rate, again, messages);
    this.element.dataset.status = state.status;
    this.element.dataset.stage = shown.stage;
    if (this.#shownIcon !== shown.icon) {
      this.#shownIcon = shown.icon;
      this.#icon.innerHTML = STATE_ICONS[shown.icon];
    }
    setText(this.#words, shown.words);
    this.#renderTrack(shown);
    this.#renderParts(shown);
    setText(this.#note, shown.note ?? '');
    this.#note.hidden = shown.note === null;
    this.#renderButtons(shown);
    this.#announce(shown);
  }

  dispose(): void {
    this.#living.abort();
    this.element.remove();
  }

  #build(): void {
    const { name, direction, messages } = this.#options;
    this.element.lang = messages.locale;
    this.element.dataset.direction = direction;
    // As the bar of a job: the host's shortcuts are not for our buttons.
    this.element.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.#icon.ariaHidden = 'true';
    const title = document.createElement('bdi');
    title.className = 'pw-name';
    setText(title, name);
    setTitle(title, name);
    const actions = span('pw-actions');
    for (const button of BUTTONS) actions.append(this.#addButton(button));
    const head = block('pw-head');
    head.append(this.#icon, title, this.#words, actions);
    this.#track.role = 'progressbar';
    this.#track.setAttribute('aria-label', messages.transfer.label[direction](name));
    this.#track.setAttribute('aria-valuemin', '0');
    this.#track.setAttribute('aria-valuemax', '100');
    this.#track.append(this.#fill);
    for (const name of PARTS) {
      const part = span('pw-part');
      part.dataset.part = name;
      // Real text, so that a copied line can be read.
      const separator = span('pw-separator');
      separator.dataset.before = name;
      separator.textContent = ' · ';
      this.#parts.set(name, [separator, part]);
      this.#numbers.append(separator, part);
    }
    this.#note.dataset.kind = 'transfer';
    this.#announcer.role = 'status';
    this.#announcer.ariaLive = 'polite';
    this.element.append(head, this.#track, this.#numbers, this.#note, this.#announcer);
  }

  #addButton(name: TransferButton): HTMLButtonElement {
    const { messages, handlers } = this.#options;
    const button = document.createElement('button');
    const text = messages.transfer.action[name];
    button.type = 'button';
    button.className = 'pw-button';
    button.dataset.transfer = name;
    button.innerHTML = TRANSFER_ICONS[name];
    button.ariaLabel = `${text} ${this.#options.name}`;
    button.title = text;
    button.addEventListener('click', () => handlers[name]?.(), { signal: this.#living.signal });
    this.#buttons.set(name, button);
    return button;
  }

  #renderTrack({ percent, valueText, stage }: TransferPresentation): void {
    setAttribute(this.#track, 'aria-valuetext', valueText);
    if (percent === null) this.#track.removeAttribute('aria-valuenow');
    else setAttribute(this.#track, 'aria-valuenow', String(Math.round(percent * 10) / 10));
    this.#track.dataset.indeterminate = String(percent === null && stage === 'working');
    this.#fill.style.width = `${percent ?? 0}%`;
  }

  #renderParts({ parts }: TransferPresentation): void {
    let follows = false;
    for (const [name, [separator, element]] of this.#parts) {
      const text = parts.get(name);
      setText(element, text ?? '');
      element.hidden = text === undefined;
      separator.hidden = !follows || text === undefined;
      follows ||= text !== undefined;
    }
    setTitle(this.#numbers, [...parts.values()].join(' · '));
    this.#numbers.hidden = parts.size === 0;
  }

  #renderButtons(shown: TransferPresentation): void {
    const held = [...this.#buttons.values()].find((button) => button.matches(':focus'));
    for (const [name, button] of this.#buttons) button.hidden = !shown.buttons.has(name);
    // A button that goes away under the keyboard hands its place to the next one.
    if (held?.hidden) [...this.#buttons.values()].find(({ hidden }) => !hidden)?.focus();
  }

  /** Tell changes of state to a screen reader, never the numbers and not what was there at first. */
  #announce({ words, note }: TransferPresentation): void {
    const text = note === null ? words : `${words}. ${note}`;
    if (this.#announced !== null && this.#announced !== text) {
      setText(this.#announcer, `${this.#options.name}: ${text}`);
    }
    this.#announced = text;
  }
}
