/** The bar of one transfer: a row in a job's card, or in the list below a file browser's path. */

import type { Messages } from '../i18n';
import { isMoving, Meter, type TransferState } from '../transfer';
import { Announcer } from './announcer';
import { block, button, setData, setHidden, setStyle, setText, setTitle, span } from './dom';
import { TRANSFER_ICONS, type TransferButton } from './icons';
import { Numbers } from './numbers';
import { StateMark } from './state_mark';
import { Track } from './track';
import {
  type Direction,
  presentTransfer,
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

export class TransferView {
  readonly element = block('pw-transfer');
  readonly #options: TransferViewOptions;
  readonly #living = new AbortController();
  readonly #meter = new Meter();
  readonly #icon = new StateMark();
  readonly #track = new Track();
  readonly #numbers = new Numbers();
  readonly #note = block('pw-note');
  readonly #announcer = new Announcer();
  readonly #buttons = new Map<TransferButton, HTMLButtonElement>();

  constructor(options: TransferViewOptions) {
    this.#options = options;
    this.#build();
  }

  update(state: TransferState): void {
    if (!isMoving(state)) this.#meter.reset();
    const running = state.status === 'running';
    const rate = running ? this.#meter.note(performance.now(), state.offset) : null;
    const { name, messages, handlers } = this.#options;
    const again = handlers.again !== null;
    const shown = presentTransfer(state, rate, again, messages);
    const { stage, words, percent, parts, note } = shown;
    setData(this.element, 'status', state.status);
    setData(this.element, 'stage', stage);
    this.#icon.show(shown.icon);
    const label = messages.transfer.label(name);
    this.#track.update(label, shown.valueText, percent, stage === 'working');
    setStyle(this.#track.fill, 'width', `${percent ?? 0}%`);
    this.#numbers.update(parts);
    setTitle(this.#numbers.element, [...parts.values()].map(({ text }) => text).join(' · '));
    setText(this.#note, note ?? '');
    setHidden(this.#note, note === null);
    this.#renderButtons(shown);
    this.#announcer.update(name, note === null ? words : `${words}. ${note}`);
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
    const title = document.createElement('bdi');
    title.className = 'pw-name';
    setText(title, name);
    setTitle(title, name);
    const actions = span('pw-actions');
    for (const name of BUTTONS) actions.append(this.#addButton(name));
    const head = block('pw-head');
    head.append(this.#icon.element, title, actions);
    this.#note.dataset.kind = 'transfer';
    this.element.append(
      head,
      this.#track.element,
      this.#numbers.element,
      this.#note,
      this.#announcer.element,
    );
  }

  #addButton(name: TransferButton): HTMLButtonElement {
    const { messages, handlers } = this.#options;
    const element = button('pw-button', TRANSFER_ICONS[name]);
    const text = messages.transfer.action[name];
    element.dataset.transfer = name;
    element.ariaLabel = `${text} ${this.#options.name}`;
    element.title = text;
    element.addEventListener('click', () => handlers[name]?.(), { signal: this.#living.signal });
    this.#buttons.set(name, element);
    return element;
  }

  #renderButtons(shown: TransferPresentation): void {
    const held = [...this.#buttons.values()].find((button) => button.matches(':focus'));
    for (const [name, button] of this.#buttons) button.hidden = !shown.buttons.has(name);
    // A button that goes away under the keyboard hands its place to the next one.
    if (held?.hidden) [...this.#buttons.values()].find(({ hidden }) => !hidden)?.focus();
  }
}
