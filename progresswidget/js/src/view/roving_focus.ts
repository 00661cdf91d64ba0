/** Where the keyboard is in a list: by Tab it is one stop, and arrows lead on (a roving tabindex). */

import { setAttribute } from './dom';
import type { Row } from './virtual_list';

const CONTROLS = 'button, a[href], input, select, textarea, summary';
const TYPED_INTO = 'input, select, textarea, [contenteditable]';

/** What the keyboard needs of the list that it is in. */
export interface RovedList {
  /** A row that is drawn. */
  row(key: string): Row | undefined;
  /** The row that a key of the keyboard leads to from another; null for other keys. */
  next(pressed: string, from: string): string | null;
  /** Bring a row into view and take the keyboard there. */
  focus(key: string): void;
  /** The keyboard has left the list. */
  left(): void;
}

export class RovingFocus {
  readonly #room: HTMLElement;
  readonly #list: RovedList;
  #active: string | null = null;
  #focused = false;

  constructor(room: HTMLElement, list: RovedList, signal: AbortSignal) {
    this.#room = room;
    this.#list = list;
    room.addEventListener('keydown', (event) => this.#onKey(event), { signal });
    room.addEventListener('focusin', (event) => this.#onFocus(event), { signal });
    room.addEventListener('focusout', () => this.#onBlur(signal), { signal });
  }

  /** The row that the keyboard is at, or would be. */
  get active(): string | null {
    return this.#active;
  }

  /** Whether the keyboard is in the list. */
  get isIn(): boolean {
    return this.#focused;
  }

  /** Be at a row, or at none, without taking the keyboard there. */
  activate(key: string | null): void {
    const before = this.#active;
    if (before === key) return;
    this.#active = key;
    for (const changed of [before, key]) {
      const row = changed === null ? undefined : this.#list.row(changed);
      if (row && changed !== null) this.admit(changed, row.element);
    }
  }

  /** Take the keyboard to the row. */
  focusActive(): void {
    const row = this.#active === null ? undefined : this.#list.row(this.#active);
    if (!row) return;
    this.#focused = true;
    row.element.focus({ preventScroll: true });
  }

  /** By Tab the list is one stop, and the buttons of its one row the next ones. */
  admit(key: string, element: HTMLElement): void {
    const active = key === this.#active;
    setAttribute(element, 'tabindex', active ? '0' : '-1');
    for (const control of element.querySelectorAll<HTMLElement>(CONTROLS)) {
      if (active) control.removeAttribute('tabindex');
      else setAttribute(control, 'tabindex', '-1');
    }
  }

  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches(TYPED_INTO)) return;
    const key = this.#active;
    const row = key === null ? undefined : this.#list.row(key);
    if (key === null || !row) return;
    if (target === row.element && (event.key === 'Enter' || event.key === ' ')) {
      if (!row.press) return;
      row.press();
    } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
      if (!this.#moveWithin(row.element, target, event.key)) return;
    } else {
      const to = this.#list.next(event.key, key);
      if (to === null) return;
      this.#list.focus(to);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** From the row to its buttons and back. */
  #moveWithin(row: HTMLElement, from: HTMLElement, key: string): boolean {
    const controls = [...row.querySelectorAll<HTMLElement>(CONTROLS)];
    const stops = [row, ...controls.filter((control) => control.checkVisibility())];
    const rightwards = getComputedStyle(row).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight';
    const to = stops.indexOf(from) + (key === rightwards ? 1 : -1);
    stops[to]?.focus({ preventScroll: true });
    return to >= 0 && to < stops.length;
  }

  #onFocus({ target }: FocusEvent): void {
    this.#focused = true;
    const row = (target as HTMLElement).closest<HTMLElement>('.pw-list-row');
    if (row?.dataset.key !== undefined) this.activate(row.dataset.key);
  }

  #onBlur(signal: AbortSignal): void {
    // When focus goes from one row to another both events come in one turn.
    queueMicrotask(() => {
      this.#focused = this.#room.contains(document.activeElement);
      if (!this.#focused && !signal.aborted) this.#list.left();
    });
  }
}
