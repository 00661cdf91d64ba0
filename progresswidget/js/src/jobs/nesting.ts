/** Which part of a job runs within which: pure functions of their records. */

import type { JobRecord } from '../protocol';

/**
 * Parts in the order in which they began, each followed by what runs within it, and how many of the
 * others each runs within.
 */
export function nested(parts: Iterable<JobRecord>): ReadonlyMap<string, number> {
  const sorted = [...parts].sort(asTheyBegan);
  // Files have none, and of loops a card has few.
  const inner = sorted.filter(
    ({ within }) => within && sorted.some(({ taskId }) => taskId === within),
  );
  const depths = new Map<string, number>();
  const take = ({ taskId }: JobRecord, depth: number) => {
    if (depths.has(taskId)) return;
    depths.set(taskId, depth);
    for (const next of inner) if (next.within === taskId) take(next, depth + 1);
  };
  for (const record of sorted) if (!inner.includes(record)) take(record, 0);
  // Whoever reports jobs says what is within what: it might go round.
  for (const record of inner) take(record, 0);
  return depths;
}

/** Compare for sorting: the first one first. */
export function asTheyBegan(a: JobRecord, b: JobRecord): number {
  return a.created - b.created || (a.taskId < b.taskId ? -1 : 1);
}
