/** A list of any length of which only the rows in view are in the page. */

import { block, setAttribute, setStyle } from './dom';
import { forgetFrame, inNextFrame } from './frame';
import { type Anchor, Offsets, step, survivor } from './offsets';
import { RovingFocus } from './roving_focus';

/** What is drawn for one key while it is in view. */
export interface Row {
  readonly element: HTMLElement;
  /** Draw what is known by now; called when the row comes into view and at each `refresh`. */
  update(): void;
  /** The row has left the view for good; its element is taken out by the list. */
  dispose(): void;
  /** Enter, or a space, while the row itself has the focus. */
  press?(): void;
}

export interface VirtualListOptions {
  /** What a screen reader calls the list. */
  readonly label: string;
  /** Pixels of a row before it is measured. */
  readonly estimate: number;
  /** Pixels up to which the list is as high as its rows; without it the host says how high. */
  readonly atMost?: number;
  /** Rows that are drawn beyond either edge. */
  readonly overscan?: number;
  /** What stays where it is in another order; the first row in view where it says nothing. */
  hold?(
    offsets: Offsets,
    scrollTop: number,
    viewport: number,
    keys: readonly string[],
  ): Anchor | null;
  /** Make the view of a row that comes into view. */
  create(key: string): Row;
}

const OVERSCAN = 4;

export class VirtualList {
  readonly element = block('pw-list');
  readonly #options: VirtualListOptions;
  readonly #offsets: Offsets;
  readonly #room = block('pw-list-room');
  readonly #rows = new Map<string, Row>();
  readonly #stale = new Set<string>();
  readonly #living = new AbortController();
  readonly #sizes: ResizeObserver;
  readonly #render = () => this.#draw();
  #viewport = 0;
  /** As we set it last, or as the person has scrolled. */
  #scrollTop = 0;
  readonly #keyboard: RovingFocus;
  /** Whether the list may stand elsewhere: to look costs a layout, which an update need not have. */
  #unsettled = true;

  constructor(options: VirtualListOptions) {
    this.#options = options;
    this.#offsets = new Offsets(options.estimate);
    this.element.append(this.#room);
    // As of the bars: the host's shortcuts are not for our rows.
    this.element.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.#room.role = 'list';
    this.#room.ariaLabel = options.label;
    const { signal } = this.#living;
    const onScroll = () => {
      this.#scrollTop = this.element.scrollTop;
      inNextFrame(this.#render);
    };
    this.element.addEventListener('scroll', onScroll, { passive: true, signal });
    this.#keyboard = new RovingFocus(
      this.#room,
      {
        row: (key) => this.#rows.get(key),
        next: (pressed, from) => {
          const to = step(pressed, this.#offsets.indexOf(from), this.#offsets, this.#viewport);
          return to === null ? null : (this.keys[to] ?? null);
        },
        focus: (key) => this.focus(key),
        left: () => inNextFrame(this.#render),
      },
      signal,
    );
    this.#sizes = new ResizeObserver((entries) => this.#onSizes(entries));
    this.#sizes.observe(this.element);
  }

  get keys(): readonly string[] {
    return this.#offsets.keys;
  }

  /** How many rows are in the page now. */
  get drawn(): number {
    return this.#rows.size;
  }

  /** The row that the keyboard is at, or would be. */
  get active(): string | null {
    return this.#keyboard.active;
  }

  /** Show these rows, in this order; what is in view stays where it is, and so does the focus. */
  arrange(keys: readonly string[]): void {
    const before = this.#offsets.keys;
    const at = this.#scrollTop;
    const anchor =
      this.#options.hold?.(this.#offsets, at, this.#viewport, keys) ?? this.#offsets.anchor(at);
    const held = this.#keyboard.active;
    this.#offsets.arrange([...new Set(keys)]);
    this.#unsettled = true;
    const heir = held === null ? null : survivor(held, before, this.#offsets);
    const moved = heir !== held;
    this.#keyboard.activate(heir);
    // At the very top what is new comes into view.
    if (anchor !== null && at > 0) {
      const stays = survivor(anchor.key, before, this.#offsets);
      // A row that took the place of one that is gone is not cut where that one was.
      const shift = stays === anchor.key ? anchor.shift : 0;
      const top = stays === null ? 0 : this.#offsets.restore({ key: stays, shift });
      this.#scrollTo(top ?? 0);
    }
    if (this.#keyboard.isIn && moved) {
      this.#draw();
      this.#keyboard.focusActive();
    }
    inNextFrame(this.#render);
  }

  /** Draw these rows anew, those of them that are in view; all of them without `keys`. */
  refresh(keys: Iterable<string> = this.#rows.keys()): void {
    for (const key of keys) if (this.#rows.has(key)) this.#stale.add(key);
    if (this.#stale.size > 0) inNextFrame(this.#render);
  }

  /** Scroll as little as is needed to have a row in view. */
  reveal(key: string): void {
    const index = this.#offsets.indexOf(key);
    if (index < 0) return;
    // Just shown again, the list has not been told yet how high it is.
    this.#viewport = this.element.clientHeight || this.#viewport;
    const top = this.#offsets.top(index);
    // Of a row that is higher than the view the beginning is wanted.
    const below = Math.min(top, top + this.#offsets.height(index) - this.#viewport);
    if (top < this.#scrollTop) this.#scrollTo(top);
    else if (below > this.#scrollTop) this.#scrollTo(below);
    inNextFrame(this.#render);
  }

  /** Put the keyboard on a row. */
  focus(key: string | undefined = this.active ?? this.keys[0]): void {
    if (key === undefined || this.#offsets.indexOf(key) < 0) return;
    this.#keyboard.activate(key);
    this.reveal(key);
    this.#draw();
    this.#keyboard.focusActive();
  }

  dispose(): void {
    this.#living.abort();
    this.#sizes.disconnect();
    forgetFrame(this.#render);
    for (const key of [...this.#rows.keys()]) this.#drop(key);
    this.element.remove();
  }

  // --- Drawing ----------------------------------------------------------------------------------

  #draw(): void {
    const offsets = this.#offsets;
    const { atMost } = this.#options;
    if (atMost !== undefined) {
      const viewport = Math.min(offsets.total, atMost);
      this.#unsettled ||= viewport !== this.#viewport;
      this.#viewport = viewport;
      setStyle(this.element, 'height', `${viewport}px`);
    }
    if (this.#unsettled) this.#scrollTo(this.#scrollTop);
    this.#unsettled = false;
    const overscan = this.#options.overscan ?? OVERSCAN;
    const { first, end } = offsets.window(this.#scrollTop, this.#viewport, overscan);
    const shown = new Set(offsets.keys.slice(first, end));
    // The row of the keyboard stays in the page wherever the person scrolls: else Tab would pass by.
    if (this.active === null) this.#keyboard.activate(offsets.keys[0] ?? null);
    if (this.active !== null) shown.add(this.active);
    for (const key of [...this.#rows.keys()]) if (!shown.has(key)) this.#drop(key);
    setStyle(this.#room, 'height', `${offsets.total}px`);
    const inOrder = [...shown].sort((one, other) => offsets.indexOf(one) - offsets.indexOf(other));
    let previous: Element | null = null;
    for (const key of inOrder) {
      const row = this.#rows.get(key) ?? this.#add(key);
      if (this.#stale.delete(key)) this.#update(key, row);
      this.#place(key, row.element, previous);
      previous = row.element;
    }
  }

  #add(key: string): Row {
    const row = this.#options.create(key);
    const { element } = row;
    element.classList.add('pw-list-row');
    element.role = 'listitem';
    element.dataset.key = key;
    this.#rows.set(key, row);
    this.#stale.add(key);
    this.#sizes.observe(element);
    return row;
  }

  #update(key: string, row: Row): void {
    row.update();
    this.#keyboard.admit(key, row.element);
  }

  #place(key: string, element: HTMLElement, previous: Element | null): void {
    const index = this.#offsets.indexOf(key);
    setAttribute(element, 'aria-setsize', String(this.keys.length));
    setAttribute(element, 'aria-posinset', String(index + 1));
    setStyle(element, 'transform', `translateY(${this.#offsets.top(index)}px)`);
    // In the order of the page as in that of the list: Tab and screen readers go by it. Moving an
    // element takes the focus from it, so that only those are moved that are elsewhere.
    const next = previous === null ? this.#room.firstElementChild : previous.nextElementSibling;
    if (next === element) return;
    const held = this.#keyboard.isIn && element.contains(document.activeElement);
    if (held) {
      while (element.previousElementSibling !== previous && element.previousElementSibling) {
        element.after(element.previousElementSibling);
      }
      return;
    }
    this.#room.insertBefore(element, next);
  }

  #drop(key: string): void {
    const row = this.#rows.get(key);
    if (!row) return;
    this.#rows.delete(key);
    this.#stale.delete(key);
    this.#sizes.unobserve(row.element);
    row.dispose();
    row.element.remove();
  }

  #scrollTo(top: number): void {
    const highest = Math.max(0, this.#offsets.total - this.#viewport);
    this.#scrollTop = Math.min(Math.max(0, top), highest);
    if (this.element.scrollTop === this.#scrollTop) return;
    // The room has to be there before one can scroll into it.
    setStyle(this.#room, 'height', `${this.#offsets.total}px`);
    this.element.scrollTop = this.#scrollTop;
  }

  #onSizes(entries: readonly ResizeObserverEntry[]): void {
    const anchor = this.#scrollTop > 0 ? this.#offsets.anchor(this.#scrollTop) : null;
    let moved = false;
    for (const { target, borderBoxSize, contentRect } of entries) {
      const height = borderBoxSize[0]?.blockSize ?? contentRect.height;
      if (target === this.element) {
        moved ||= this.#viewport !== this.element.clientHeight;
        this.#viewport = this.element.clientHeight;
      } else if (target instanceof HTMLElement && target.dataset.key !== undefined) {
        moved = this.#offsets.measure(target.dataset.key, height) || moved;
      }
    }
    if (!moved) return;
    this.#unsettled = true;
    if (anchor) this.#scrollTo(this.#offsets.restore(anchor) ?? 0);
    // Now, before anything is painted: rows must not be seen where they no longer belong.
    this.#draw();
  }
}
