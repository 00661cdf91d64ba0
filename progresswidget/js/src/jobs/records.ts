/** The records of many jobs, by task; what changes is told once for all that came in one turn. */

import type { JobRecord } from '../protocol';

export type RecordsListener = (changed: ReadonlySet<string>) => void;

export class Records {
  readonly #schedule: (run: () => void) => void;
  readonly #records = new Map<string, JobRecord>();
  readonly #listeners = new Set<RecordsListener>();
  #changed = new Set<string>();
  #scheduled = false;

  /**
   * @param schedule Runs what it is given later, once: in the next frame for a page, which keeps
   *   renders to one a frame, and when the test says so in a test.
   */
  constructor(schedule: (run: () => void) => void) {
    this.#schedule = schedule;
  }

  get size(): number {
    return this.#records.size;
  }

  get(taskId: string): JobRecord | undefined {
    return this.#records.get(taskId);
  }

  values(): IterableIterator<JobRecord> {
    return this.#records.values();
  }

  /** Take what is newer than what is known; false for what is not. */
  put(record: JobRecord): boolean {
    const known = this.#records.get(record.taskId);
    if (known && isOlder(record, known)) return false;
    this.#records.set(record.taskId, record);
    this.#note(record.taskId);
    return true;
  }

  remove(taskId: string): boolean {
    const known = this.#records.delete(taskId);
    if (known) this.#note(taskId);
    return known;
  }

  /** Make these the only ones, as a list of the server has them. */
  replace(records: Iterable<JobRecord>): void {
    const named = new Set<string>();
    for (const record of records) {
      named.add(record.taskId);
      this.put(record);
    }
    for (const taskId of [...this.#records.keys()]) if (!named.has(taskId)) this.remove(taskId);
  }

  /** Be told which tasks have changed, come or gone, until the signal aborts. */
  follow(listener: RecordsListener, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  #note(taskId: string): void {
    this.#changed.add(taskId);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#tell());
  }

  #tell(): void {
    this.#scheduled = false;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of [...this.#listeners]) listener(changed);
  }
}

/**
 * A report that was overtaken: one run of a job counts its revisions, and the server its updates
 * of one revision. Clocks are compared for nothing else, since they may be set back.
 */
function isOlder(record: JobRecord, known: JobRecord): boolean {
  if (record.generation !== known.generation) return record.generation < known.generation;
  if (record.revision !== known.revision) return record.revision < known.revision;
  return record.updated < known.updated;
}
