/** Where the rows of a long list are: pure numbers, of which some are measured and some guessed. */

export interface RowWindow {
  readonly first: number;
  /** The row after the last one. */
  readonly end: number;
}

/** A row and how far below the upper edge of the window it begins; negative for a cut one. */
export interface Anchor {
  readonly key: string;
  readonly shift: number;
}

export class Offsets {
  readonly #estimate: number;
  readonly #heights = new Map<string, number>();
  #keys: readonly string[] = [];
  #indices = new Map<string, number>();
  /** The upper edge of each row, and the lower one of the last; rebuilt when it is asked for. */
  #tops = new Float64Array(1);
  #stale = false;

  /** @param estimate Pixels of a row that has not been measured. */
  constructor(estimate: number) {
    this.#estimate = estimate;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  get total(): number {
    return this.#edges[this.#keys.length] ?? 0;
  }

  /** Take another order; what was measured of rows that stay is kept. */
  arrange(keys: readonly string[]): void {
    this.#keys = keys;
    this.#indices = new Map(keys.map((key, index) => [key, index]));
    for (const key of this.#heights.keys()) {
      if (!this.#indices.has(key)) this.#heights.delete(key);
    }
    this.#stale = true;
  }

  /** Note how high a row is; true if that moves anything. */
  measure(key: string, height: number): boolean {
    if (!this.#indices.has(key) || !(height > 0)) return false;
    if ((this.#heights.get(key) ?? this.#estimate) === height) return false;
    this.#heights.set(key, height);
    this.#stale = true;
    return true;
  }

  indexOf(key: string): number {
    return this.#indices.get(key) ?? -1;
  }

  top(index: number): number {
    return this.#edges[index] ?? this.total;
  }

  height(index: number): number {
    return this.top(index + 1) - this.top(index);
  }

  /** The row at a distance from the top: the first one above it, the last one below all. */
  indexAt(y: number): number {
    const edges = this.#edges;
    let low = 0;
    let high = this.#keys.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((edges[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The rows to draw for a scroll position, with some more on either side. */
  window(scrollTop: number, viewport: number, overscan: number): RowWindow {
    const { length } = this.#keys;
    if (length === 0 || viewport <= 0) return { first: 0, end: 0 };
    const top = Math.max(0, Math.min(scrollTop, this.total - viewport));
    const first = this.indexAt(top);
    let last = this.indexAt(top + viewport);
    // A row that only touches the lower edge is not seen.
    if (last > first && this.top(last) >= top + viewport) last -= 1;
    return { first: Math.max(0, first - overscan), end: Math.min(length, last + 1 + overscan) };
  }

  /** What to hold fast while rows above come and go. */
  anchor(scrollTop: number): Anchor | null {
    const index = this.indexAt(scrollTop);
    const key = this.#keys[index];
    return key === undefined ? null : { key, shift: this.top(index) - scrollTop };
  }

  /** The scroll position at which an anchor is where it was; null if its row is gone. */
  restore({ key, shift }: Anchor): number | null {
    const index = this.indexOf(key);
    return index < 0 ? null : Math.max(0, this.top(index) - shift);
  }

  get #edges(): Float64Array {
    if (!this.#stale) return this.#tops;
    const edges = new Float64Array(this.#keys.length + 1);
    this.#keys.forEach((key, index) => {
      edges[index + 1] = (edges[index] ?? 0) + (this.#heights.get(key) ?? this.#estimate);
    });
    this.#tops = edges;
    this.#stale = false;
    return edges;
  }
}

/** The nearest row that is in both orders: the one itself, else the next below, else above. */
export function survivor(
  key: string,
  before: readonly string[],
  after: { indexOf(key: string): number },
): string | null {
  const start = before.indexOf(key);
  if (start < 0) return null;
  for (let index = start; index < before.length; index += 1) {
    const below = before[index];
    if (below !== undefined && after.indexOf(below) >= 0) return below;
  }
  for (let index = start - 1; index >= 0; index -= 1) {
    const above = before[index];
    if (above !== undefined && after.indexOf(above) >= 0) return above;
  }
  return null;
}

/**
 * What to hold fast where rows are sorted by what changes: the first row in view that stays near
 * the next one, since one alone may go far. Null where the first is gone, or none has stayed.
 *
 * @param keys The new order.
 */
export function steady(
  offsets: Offsets,
  scrollTop: number,
  viewport: number,
  keys: readonly string[],
): Anchor | null {
  const { first, end } = offsets.window(scrollTop, viewport, 0);
  const inView = offsets.keys.slice(first, end);
  const indices = new Map(keys.map((key, index) => [key, index]));
  const places = inView.map((key) => indices.get(key) ?? Number.NaN);
  const at = places.findIndex((place, index) => {
    return Math.abs((places[index + 1] ?? Number.NaN) - place) <= inView.length;
  });
  const key = inView[at];
  if (key === undefined || Number.isNaN(places[0])) return null;
  return { key, shift: offsets.top(first + at) - scrollTop };
}

/** Where a key of the keyboard leads from a row; null for other keys. */
export function step(key: string, from: number, offsets: Offsets, viewport: number): number | null {
  const last = offsets.keys.length - 1;
  if (last < 0) return null;
  switch (key) {
    case 'ArrowDown':
      return Math.min(last, from + 1);
    case 'ArrowUp':
      return Math.max(0, from - 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    case 'PageDown': {
      const page = offsets.indexAt(offsets.top(from) + viewport);
      return Math.min(last, Math.max(from + 1, page));
    }
    case 'PageUp': {
      const page = offsets.indexAt(offsets.top(from) - viewport);
      return Math.max(0, Math.min(from - 1, page));
    }
    default:
      return null;
  }
}
