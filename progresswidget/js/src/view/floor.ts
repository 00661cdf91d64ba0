/** How far a bar was: it never runs backwards within a run, and never beyond what was heard. */

import type { JobRecord } from '../protocol';

export class Floor {
  #generation = -1;
  #percent = 0;

  /** The highest percent that was heard of this run; a new generation is a new run. */
  raise({ generation, progress }: JobRecord): number {
    if (generation !== this.#generation) this.#percent = 0;
    this.#generation = generation;
    this.#percent = Math.max(this.#percent, progress ?? 0);
    return this.#percent;
  }

  get percent(): number {
    return this.#percent;
  }
}
