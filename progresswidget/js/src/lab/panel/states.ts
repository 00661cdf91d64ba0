/** Buttons that choose which states are shown, each with how many there are. */

import type { Messages } from '../../i18n';
import type { LabWords } from '../../i18n/lab';
import type { Summary } from '../../jobs/query';
import type { Status } from '../../protocol';
import { block, setAttribute, setText } from '../../view/dom';
import { formatCount } from '../../view/format';

const STATES: readonly Status[] = [
  'running',
  'paused',
  'queued',
  'done',
  'failed',
  'interrupted',
  'cancelled',
];

export class States {
  readonly element = block('pw-states');
  readonly #messages: Messages;
  readonly #words: LabWords;
  readonly #buttons = new Map<Status | null, HTMLButtonElement>();
  #chosen: ReadonlySet<Status> | null = null;

  /** @param choose Called with the states that are wanted; null for all. */
  constructor(
    messages: Messages,
    words: LabWords,
    choose: (statuses: ReadonlySet<Status> | null) => void,
    signal: AbortSignal,
  ) {
    this.#messages = messages;
    this.#words = words;
    this.element.role = 'group';
    this.element.ariaLabel = words.states;
    for (const status of [null, ...STATES]) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'pw-state';
      button.dataset.status = status ?? 'all';
      button.addEventListener(
        'click',
        () => {
          this.chosen = toggled(this.#chosen, status);
          choose(this.#chosen);
        },
        { signal },
      );
      this.#buttons.set(status, button);
      this.element.append(button);
    }
    this.chosen = null;
  }

  get chosen(): ReadonlySet<Status> | null {
    return this.#chosen;
  }

  set chosen(statuses: ReadonlySet<Status> | null) {
    this.#chosen = statuses;
    for (const [status, button] of this.#buttons) {
      const pressed = status === null ? statuses === null : statuses?.has(status) === true;
      setAttribute(button, 'aria-pressed', String(pressed));
      if (pressed) button.hidden = false;
    }
  }

  /** Put the keyboard on the button for all of them; false where there is none. */
  focus(): boolean {
    this.#buttons.get(null)?.focus();
    return this.element.contains(document.activeElement) && !this.element.hidden;
  }

  /** Show how many there are; a state that nothing is in takes no room unless it is chosen. */
  update({ count }: Summary): void {
    const all = STATES.reduce((sum, status) => sum + count[status], 0);
    for (const [status, button] of this.#buttons) {
      const number = status === null ? all : count[status];
      setText(button, `${this.#name(status)} ${formatCount(number, this.#messages.locale)}`);
      button.hidden = number === 0 && this.#chosen?.has(status as Status) !== true;
    }
    this.element.hidden = all === 0;
  }

  #name(status: Status | null): string {
    if (status === null) return this.#words.all;
    return status === 'running' ? this.#words.running : this.#messages.status[status];
  }
}

/** The states that are wanted after a click on one of them; none is as good as all. */
export function toggled(
  chosen: ReadonlySet<Status> | null,
  status: Status | null,
): ReadonlySet<Status> | null {
  if (status === null) return null;
  const next = new Set(chosen);
  if (!next.delete(status)) next.add(status);
  return next.size === 0 ? null : next;
}
