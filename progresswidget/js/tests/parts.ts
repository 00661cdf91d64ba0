/** A group and its parts, for tests and the gallery. */

import type { JobRecord } from '../src/protocol';
import { DONE, FAILED, record } from './records';

export const GROUP = 'e'.repeat(32);

const NAMES = [
  'general ledger.parquet',
  'receivables.csv',
  'payables.csv',
  'inventory.parquet',
  'payroll.xlsx',
  'assets.csv.gz',
  'forecast.xlsx',
  'statement.pdf',
];

export const group = (changes: Partial<JobRecord> = {}) =>
  record({
    taskId: GROUP,
    kind: 'group',
    name: 'Monthly close',
    title: 'Monthly close',
    path: '/home/alice/Monthly close',
    format: '',
    mediaType: '',
    columns: 0,
    progress: 41.6,
    rows: 2,
    total: 8,
    bytes: 464_812_150,
    rate: 84_000_000,
    eta: 12,
    elapsed: 8.1,
    ...changes,
  });

/** The parts of a group in the middle of its work; `changes` replace some of them. */
export function parts(changes: Readonly<Record<number, Partial<JobRecord>>> = {}): JobRecord[] {
  return NAMES.map((name, index) => {
    const base = index < 2 ? DONE : record({ progress: index < 5 ? 61.3 - 17 * (index - 2) : 0 });
    const waits = { status: 'queued', phase: 'starting', rows: 0, bytes: 0 } as const;
    return {
      ...base,
      ...(index >= 5 ? waits : {}),
      taskId: index.toString(16).padStart(32, '0'),
      parent: GROUP,
      name,
      created: base.created + index,
      url: `/user/alice/progresswidget/files/${index}/1/${name}`,
      ...changes[index],
    };
  });
}

const ended = { status: 'done', eta: null, rate: null, ended: 1_712_000_041_000 } as const;

export const GROUP_DONE = group({
  ...ended,
  phase: 'finishing',
  progress: 100,
  rows: 8,
  bytes: 3_212_400_118,
  elapsed: 41,
});

export const PARTS_DONE = parts().map(({ taskId, name, created, url }) => ({
  ...DONE,
  parent: GROUP,
  taskId,
  name,
  created,
  url,
}));

export const GROUP_FAILED = group({
  ...ended,
  status: 'failed',
  progress: 82.5,
  rows: 7,
  elapsed: 38,
  error: { code: 'parts-failed', message: '1 of 8 did not come to their end.', hint: '' },
});

export const PARTS_FAILED = PARTS_DONE.map((part, index) =>
  index === 4
    ? { ...FAILED, taskId: part.taskId, parent: GROUP, name: part.name, created: part.created }
    : part,
);
