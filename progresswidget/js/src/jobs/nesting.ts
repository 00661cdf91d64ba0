/** Which part of a job runs within which: pure functions of their records. */

import type { JobRecord } from '../protocol';

export interface Nested {
  readonly record: JobRecord;
  /** How many of the others it runs within. */
  readonly depth: number;
}

/** Parts in the order in which they began, each followed by what runs within it. */
export function nested(parts: Iterable<JobRecord>): readonly Nested[] {
  const rest = new Map([...parts].sort(asTheyBegan).map((record) => [record.taskId, record]));
  const inner = new Map<string | null, JobRecord[]>();
  for (const record of rest.values()) {
    const around = record.within !== null && rest.has(record.within) ? record.within : null;
    const others = inner.get(around);
    if (others) others.push(record);
    else inner.set(around, [record]);
  }
  const found: Nested[] = [];
  const take = (record: JobRecord, depth: number) => {
    if (!rest.delete(record.taskId)) return;
    found.push({ record, depth });
    for (const next of inner.get(record.taskId) ?? []) take(next, depth + 1);
  };
  for (const record of inner.get(null) ?? []) take(record, 0);
  // Whoever reports jobs says what is within what: it might go round.
  for (const record of rest.values()) take(record, 0);
  return found;
}

/** Compare for sorting: the first one first. */
export function asTheyBegan(a: JobRecord, b: JobRecord): number {
  return a.created - b.created || (a.taskId < b.taskId ? -1 : 1);
}
