/**
 * Exponential backoff with jitter (AWS Architecture Blog, 2015), and an end to it.
 *
 * Full jitter but for a floor of a third: five tries then take 5.2 s at the least, which a server
 * that restarts needs. With a floor of a quarter (3.9 s) or none a round may be over before.
 */

const FLOOR = 1 / 3;

export interface BackoffOptions {
  /** Milliseconds. */
  readonly base?: number;
  /** Milliseconds. */
  readonly cap?: number;
  readonly tries?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export class Backoff {
  readonly tries: number;
  readonly #base: number;
  readonly #cap: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor({ base = 500, cap = 20_000, tries = 5, random = Math.random }: BackoffOptions = {}) {
    this.#base = base;
    this.#cap = cap;
    this.tries = tries;
    this.#random = random;
  }

  /** Tries since the last `reset`. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait before the next try, or null when the round is used up. */
  next(): number | null {
    if (this.#attempt >= this.tries) return null;
    const ceiling = Math.min(this.#cap, this.#base * 2 ** this.#attempt);
    this.#attempt += 1;
    return (FLOOR + (1 - FLOOR) * this.#random()) * ceiling;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
