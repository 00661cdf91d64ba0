/**
 * The rows that a list of jobs has for a query, kept up to date with the least work. The parts of a
 * group follow it, and are folded away once it is done. Those of a loop are loops within loops: they
 * stand as they do in its card.
 */

import type { JobRecord } from '../protocol';
import { nested } from './nesting';
import { comparison, matches, movesWith, type Query } from './query';
import type { Records } from './records';

/** Groups within groups. */
const DEEPEST = 16;

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
  /** The parts that match, by the group that they follow. */
  #parts = new Map<string, readonly string[]>();
  /** Of the parts: within how many others of the same job each runs. */
  #depths = new Map<string, number>();
  /** The groups that a person has opened or closed. */
  readonly #opened = new Map<string, boolean>();

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

  /** Whether the parts of a group are shown; null of what has none, or hides none of what is sought. */
  isOpen(taskId: string): boolean | null {
    const group = this.#arranged.get(taskId);
    if (!group || !this.#parts.has(taskId)) return null;
    const { text, statuses } = this.#query;
    if (text.trim() !== '' || statuses !== null) return null;
    return this.#opened.get(taskId) ?? group.status !== 'done';
  }

  /** How far inwards a row stands: 0 for what is no part of another. */
  depthOf(taskId: string): number {
    return this.#depths.get(taskId) ?? 0;
  }

  /** Open or close a group. */
  flip(taskId: string): void {
    const open = this.isOpen(taskId);
    if (open === null) return;
    this.#opened.set(taskId, !open);
    this.#arrange();
  }

  /** Open the group that has folded a job away. */
  unfold(taskId: string): void {
    for (const [group, parts] of this.#parts) {
      if (parts.includes(taskId) && this.isOpen(group) === false) this.flip(group);
    }
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
      // Its group has one part more or less, and perhaps the first.
      if (before?.parent !== after?.parent) {
        for (const parent of [before?.parent, after?.parent]) if (parent) rows.push(parent);
      }
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
    this.#arranged = new Map(found.map((record) => [record.taskId, record]));
    const roots: string[] = [];
    const parts = new Map<string, JobRecord[]>();
    for (const record of found) {
      const group = this.#groupOf(record);
      if (group === null) roots.push(record.taskId);
      else if (!parts.get(group)?.push(record)) parts.set(group, [record]);
    }
    this.#depths = new Map();
    this.#parts = new Map(
      [...parts].map(([group, records]) => [group, this.#place(group, records)]),
    );
    this.#keys = roots.flatMap((key) =>
      this.isOpen(key) === false ? [key] : [key, ...(this.#parts.get(key) ?? [])],
    );
  }

  /** The parts of a group in their order, each at its depth. */
  #place(group: string, records: readonly JobRecord[]): readonly string[] {
    const lines = nested(records);
    for (const [taskId, depth] of lines) this.#depths.set(taskId, depth + 1);
    const loops = this.#arranged.get(group)?.kind === 'task' && this.#query.order === 'newest';
    return loops ? [...lines.keys()] : records.map(({ taskId }) => taskId);
  }

  /** The outermost group in sight that a job is a part of; null where it stands by itself. */
  #groupOf(record: JobRecord): string | null {
    let at = record;
    // Whoever reports jobs says what is whose part: it might go round.
    for (let depth = 0; depth < DEEPEST; depth += 1) {
      const parent = at.parent === null ? undefined : this.#arranged.get(at.parent);
      if (!parent) return at === record ? null : at.taskId;
      at = parent;
    }
    return null;
  }
}
