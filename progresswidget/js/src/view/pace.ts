/** How the time of a running job goes on between two words of the server. */

import type { JobRecord } from '../protocol';

/** Milliseconds. The server calls a job silent long before: a larger lag is two clocks. */
const LARGEST_LAG = 60_000;

export class Pace {
  #key = '';
  #since = 0;

  /**
   * Whole seconds from the moment when `record.elapsed` was true until `now`.
   *
   * @param now Milliseconds since 1970, by the page's clock.
   */
  ahead(record: JobRecord, now: number): number {
    if (record.status !== 'running') {
      this.#key = '';
      return 0;
    }
    // A sign of life without news does not begin the count again.
    const key = `${record.generation} ${record.elapsed} ${record.eta}`;
    if (key !== this.#key) {
      this.#key = key;
      const lag = now - record.updated;
      this.#since = lag >= 0 && lag <= LARGEST_LAG ? record.updated : now;
    }
    return Math.max(0, Math.floor((now - this.#since) / 1000));
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
