/** The rows that a list of jobs has for a query, kept up to date with the least work. */

import type { JobRecord } from '../protocol';
import { comparison, matches, movesWith, type Query } from './query';
import type { Records } from './records';

export interface Change {
  /** The rows are others, or in another order. */
  readonly rearranged: boolean;
  /** Rows to draw anew. */
  readonly rows: readonly string[];
}

export class Selection {
  readonly #records: Records;
  readonly #locale: string;
  #query: Query;
  #keys: readonly string[] = [];
  /** The records as they were when the rows were arranged. */
  #arranged = new Map<string, JobRecord>();

  constructor(records: Records, query: Query, locale: string) {
    this.#records = records;
    this.#query = query;
    this.#locale = locale;
    this.#arrange();
  }

  /** The tasks that match, in order. */
  get keys(): readonly string[] {
    return this.#keys;
  }

  get query(): Query {
    return this.#query;
  }

  set query(query: Query) {
    this.#query = query;
    this.#arrange();
  }

  /** Take up the changes of some tasks; the order is found anew only where one can have moved. */
  apply(changed: ReadonlySet<string>): Change {
    let rearranged = false;
    const rows: string[] = [];
    for (const taskId of changed) {
      const before = this.#arranged.get(taskId);
      const now = this.#records.get(taskId);
      const after = now && matches(now, this.#query) ? now : undefined;
      if (after) rows.push(taskId);
      if (before && after) {
        rearranged ||= movesWith(before, after, this.#query.order);
        this.#arranged.set(taskId, after);
      } else {
        rearranged ||= before !== after;
      }
    }
    if (rearranged) this.#arrange();
    return { rearranged, rows };
  }

  #arrange(): void {
    const found = [...this.#records.values()].filter((record) => matches(record, this.#query));
    found.sort(comparison(this.#query.order, this.#locale));
    this.#keys = found.map(({ taskId }) => taskId);
    this.#arranged = new Map(found.map((record) => [record.taskId, record]));
  }
}
