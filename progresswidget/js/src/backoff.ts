/**
 * Exponential backoff with full jitter, and an end to it: each wait is drawn from the whole interval
 * from 0 (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
 *
 * A round may be short by chance, and a server that restarts may outlast it. That costs a person no
 * more than some seconds of a notice: whoever has given up looks now and then by itself (`Line`).
 */

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
    return this.#random() * ceiling;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
