/** How fast jobs have been: a few points each, for the small curve in the bar. */

import { isTerminal, type JobRecord } from '../protocol';

/** Points of a curve; when they are full, every two become one. */
export const MOST_POINTS = 48;
/** Milliseconds between two points at first. */
const FIRST_STEP = 500;
/** Without a word for so many steps, or so long, nobody knows what was. */
const GAP_STEPS = 6;
const SHORTEST_GAP = 10_000;
/** Curves that a page keeps. */
const MOST_TRAILS = 200;

export interface Point {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly rate: number;
}

/** The rates of one run, from its first to its newest, however long it takes. */
export class RateTrail {
  #points: Point[] = [];
  #step = FIRST_STEP;

  /** @param saved What `toJSON` gave, of anybody: what is no trail begins anew. */
  constructor(saved?: unknown) {
    const { step, points } = (saved ?? {}) as { step?: unknown; points?: unknown };
    if (typeof step !== 'number' || !(step >= FIRST_STEP) || !Array.isArray(points)) return;
    if (points.length > MOST_POINTS || !points.every(isPoint)) return;
    this.#step = step;
    this.#points = points.map(([at, rate]) => ({ at, rate }));
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  /** What is heard sooner than a step after the last point adds nothing to the curve. */
  add(at: number, rate: number): void {
    const last = this.#points.at(-1);
    if (last && at - last.at < this.#step) return;
    this.#points.push({ at, rate });
    if (this.#points.length > MOST_POINTS) this.#thin();
  }

  /** The curve as pieces: where nothing was heard for long there is a hole, and no guess. */
  get pieces(): readonly (readonly Point[])[] {
    const gap = Math.max(GAP_STEPS * this.#step, SHORTEST_GAP);
    const pieces: Point[][] = [];
    for (const point of this.#points) {
      const last = pieces.at(-1)?.at(-1);
      if (last && point.at - last.at <= gap) pieces.at(-1)?.push(point);
      else pieces.push([point]);
    }
    return pieces;
  }

  toJSON(): unknown {
    return { step: this.#step, points: this.#points.map(({ at, rate }) => [at, rate]) };
  }

  #thin(): void {
    const thinner: Point[] = [];
    for (let n = 0; n < this.#points.length; n += 2) {
      const [one, two] = this.#points.slice(n, n + 2);
      if (one) thinner.push(two ? { at: two.at, rate: (one.rate + two.rate) / 2 } : one);
    }
    this.#points = thinner;
    this.#step *= 2;
  }
}

function isPoint(value: unknown): value is [number, number] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((part) => typeof part === 'number' && part >= 0)
  );
}

/**
 * The points of a curve in a box, as the attribute of a path: from the left to the right as time
 * goes, the highest rate at the top, nothing at the bottom.
 */
export function curve(trail: RateTrail, width: number, height: number): string {
  const { points, pieces } = trail;
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || first.at === last.at) return '';
  const top = Math.max(...points.map(({ rate }) => rate)) || 1;
  const place = ({ at, rate }: Point) => {
    const x = (width * (at - first.at)) / (last.at - first.at);
    const y = height - (height * rate) / top;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  return pieces.map((piece) => `M${piece.map(place).join('L')}`).join('');
}

const trails = new Map<string, RateTrail>();
/** Runs whose end was seen: an earlier page may have left their curves behind. */
const ended = new Set<string>();
const PREFIX = 'progresswidget:rates:';

/** The trail of a running job with its newest rate; null where it has none. */
export function noteRate(record: JobRecord): RateTrail | null {
  const key = `${record.taskId}/${record.generation}`;
  if (isTerminal(record.status)) {
    if (ended.has(key)) return null;
    ended.add(key);
    trails.delete(key);
    withStorage((storage) => storage.removeItem(PREFIX + key));
    return null;
  }
  ended.delete(key);
  const known = trails.get(key);
  if (record.status !== 'running' || record.rate === null) return known ?? null;
  const trail = known ?? recall(key);
  trail.add(record.updated, record.rate);
  return trail;
}

function recall(key: string): RateTrail {
  let saved: unknown;
  withStorage((storage) => {
    saved = JSON.parse(storage.getItem(PREFIX + key) ?? 'null');
  });
  const trail = new RateTrail(saved);
  if (trails.size === 0) window.addEventListener('pagehide', keepAll);
  trails.set(key, trail);
  const [oldest] = trails.keys();
  if (trails.size > MOST_TRAILS && oldest !== undefined) trails.delete(oldest);
  return trail;
}

/** Leave the curves to the page that comes after a reload. */
export function keepAll(): void {
  withStorage((storage) => {
    for (const [key, trail] of trails) storage.setItem(PREFIX + key, JSON.stringify(trail));
  });
}

/** Forget all curves, as a page does that is closed. */
export function dropAll(): void {
  window.removeEventListener('pagehide', keepAll);
  trails.clear();
  ended.clear();
}

/** Some hosts give a page no storage, and a storage may be full: then the curve begins anew. */
function withStorage(use: (storage: Storage) => void): void {
  try {
    use(sessionStorage);
  } catch {
    // Nothing depends on it.
  }
}
