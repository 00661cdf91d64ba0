/** Which of many jobs a person wants to see, and in which order: pure functions of their records. */

import { isTerminal, type JobRecord, type Status } from '../protocol';

export type Order = 'newest' | 'name' | 'size' | 'state';

export interface Query {
  /** Words that are all in the name, path, notebook, format, title or kind; no matter the case. */
  readonly text: string;
  /** Null for all. */
  readonly statuses: ReadonlySet<Status> | null;
  readonly order: Order;
  /** The path of a notebook, where its jobs alone are wanted. */
  readonly notebook?: string | null;
}

export const EVERYTHING: Query = { text: '', statuses: null, order: 'newest' };

export function matches(record: JobRecord, query: Query): boolean {
  if (query.statuses !== null && !query.statuses.has(record.status)) return false;
  if (query.notebook != null && query.notebook !== record.notebook) return false;
  const words = fold(query.text).split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const { name, title, notebook, format, kind } = record;
  // Below the server's root: the folders above are in the path of every file.
  const path = record.contents ?? record.path;
  const where = fold([name, title ?? '', path, notebook ?? '', format, kind].join('\n'));
  return words.every((word) => where.includes(word));
}

/** Letters as a person means them: "ｅ", "É" and "e" are one. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase();
}

const RANK: Readonly<Record<Status, number>> = {
  running: 0,
  paused: 1,
  queued: 2,
  failed: 3,
  interrupted: 4,
  cancelled: 5,
  done: 6,
};

/** Whether a change of a record can move it in this order, or fold the parts of it. */
export function movesWith(before: JobRecord, after: JobRecord, order: Order): boolean {
  if (before.created !== after.created || before.parent !== after.parent) return true;
  if (before.within !== after.within) return true;
  if (after.kind === 'group' && before.status !== after.status) return true;
  switch (order) {
    case 'newest':
      return false;
    case 'name':
      return before.name !== after.name;
    case 'size':
      return before.bytes !== after.bytes;
    case 'state':
      return before.status !== after.status;
  }
}

/** Compare for sorting; never equal, so that an order is the same however the records came. */
export function comparison(order: Order, locale: string): (a: JobRecord, b: JobRecord) => number {
  const newest = (a: JobRecord, b: JobRecord) =>
    b.created - a.created || (a.taskId < b.taskId ? -1 : a.taskId > b.taskId ? 1 : 0);
  switch (order) {
    case 'newest':
      return newest;
    case 'name': {
      const { compare } = new Intl.Collator(locale, { numeric: true, sensitivity: 'base' });
      return (a, b) => compare(a.name, b.name) || newest(a, b);
    }
    case 'size':
      return (a, b) => b.bytes - a.bytes || newest(a, b);
    case 'state':
      return (a, b) => RANK[a.status] - RANK[b.status] || newest(a, b);
  }
}

export interface Summary {
  readonly count: Readonly<Record<Status, number>>;
  readonly active: number;
  /** Of all active jobs together, each counting the same; null where none says how far it is. */
  readonly progress: number | null;
}

/** Whether it counts by itself: a group is as far as its parts, and an inner loop is in the outer. */
export function isSingle({ kind, parent }: JobRecord): boolean {
  return kind !== 'group' && (kind !== 'task' || parent === null);
}

/**
 * How many jobs are in which state, and how far they are.
 *
 * @param counts Which of them are counted; by default all.
 */
export function summarise(
  records: Iterable<JobRecord>,
  counts: (record: JobRecord) => boolean = () => true,
): Summary {
  const count: Record<Status, number> = {
    queued: 0,
    running: 0,
    paused: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    interrupted: 0,
  };
  let active = 0;
  let known = 0;
  let sum = 0;
  for (const record of records) {
    if (!counts(record)) continue;
    const { status, progress } = record;
    count[status] += 1;
    if (isTerminal(status)) continue;
    active += 1;
    if (progress === null) continue;
    known += 1;
    sum += progress;
  }
  return { count, active, progress: known === 0 ? null : sum / known };
}
