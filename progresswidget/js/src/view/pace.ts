/** How the time of a running job goes on between two words of the server. */

import type { JobRecord } from '../protocol';

/** Milliseconds. The server calls a job silent long before: a larger lag is none. */
const LARGEST_LAG = 60_000;

/**
 * Milliseconds that the page's clock is before the server's, and the quickest word on its way: the
 * least that was seen on this page. Only what a word takes beyond that is lag.
 */
let offset = Number.POSITIVE_INFINITY;

export class Pace {
  #key = '';
  /** By the server's clock. */
  #updated = 0;
  /** By the page's clock. */
  #heard = 0;

  /**
   * Whole seconds from the moment when `record.elapsed` was true until `now`.
   *
   * @param now Milliseconds since 1970, by the page's clock.
   */
  ahead(record: JobRecord, now: number): number {
    offset = Math.min(offset, now - record.updated);
    if (record.status !== 'running') {
      this.#key = '';
      return 0;
    }
    // A sign of life without news does not begin the count again.
    const key = `${record.generation} ${record.elapsed} ${record.eta}`;
    if (key !== this.#key) {
      this.#key = key;
      this.#updated = record.updated;
      this.#heard = now;
    }
    const said = this.#updated + offset;
    const since = this.#heard - said > LARGEST_LAG ? this.#heard : said;
    return Math.max(0, Math.floor((now - since) / 1000));
  }
}

const ticking = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Call `run` once a second, on one timer for all; the function returned ends it. */
export function everySecond(run: () => void): () => void {
  ticking.add(run);
  timer ??= setInterval(() => {
    for (const tick of [...ticking]) tick();
  }, 1000);
  return () => {
    ticking.delete(run);
    if (ticking.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}
