/** Ends a request that has gone silent: a lost route brings no error for minutes. */

/** Milliseconds without a byte after which a connection is taken for dead. */
const SILENCE = 30_000;

export class Watchdog {
  readonly #silence = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#silence.signal]);
    this.alive();
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#silence.abort(new TypeError('silence')), SILENCE);
  }

  end(): void {
    clearTimeout(this.#timer);
    // Whatever is still to come of a body that nobody reads.
    this.#silence.abort();
  }
}
