/** Records as a server would send them, for tests and the gallery. */

import type { JobRecord } from '../src/protocol';

export const TASK = '0123456789abcdef0123456789abcdef';
export const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

export function record(changes: Partial<JobRecord> = {}): JobRecord {
  return {
    taskId: TASK,
    kind: 'export',
    revision: 12,
    status: 'running',
    phase: 'writing',
    name: 'flights.csv',
    path: '/home/alice/flights.csv',
    format: 'csv',
    mediaType: 'text/csv',
    generation: 1,
    progress: 42.4,
    rows: 1_428_000,
    reused: 0,
    read: 0,
    total: 3_367_760,
    columns: 19,
    bytes: 138_412_032,
    rate: 612_340.6,
    eta: 3.2,
    elapsed: 2.4,
    created: 1_712_000_000_000,
    ended: null,
    background: false,
    appendOnly: false,
    parent: null,
    within: null,
    title: null,
    started: 1_712_000_000_000,
    schema: 'year\tint64\nmonth\tint64\ncarrier\tstring\nflight\tint64\ndistance\tdouble',
    options: 'delimiter\t;\nbom\tTrue',
    unit: '',
    postfix: '',
    obeys: true,
    leave: true,
    sha256: null,
    kernelId: '3c9e',
    cellId: 'cell-1',
    steps: [],
    error: null,
    url: `/user/alice/progresswidget/files/${TASK}/1/flights.csv`,
    notebook: 'work/flights.ipynb',
    userId: null,
    contents: 'work/flights.csv',
    source: null,
    pending: null,
    updated: 1_712_000_002_400,
    ...changes,
  };
}

const ENDED = { eta: null, rate: null, ended: 1_712_000_006_000 } as const;

export const DONE = record({
  ...ENDED,
  status: 'done',
  phase: 'finishing',
  revision: 30,
  progress: 100,
  rows: 3_367_760,
  bytes: 326_400_118,
  elapsed: 5.8,
  sha256: SHA256,
});

export const FAILED = record({
  ...ENDED,
  status: 'failed',
  error: {
    code: 'bad-column',
    message: 'Column "route" is a list, and CSV has no lists.',
    hint: 'Write Parquet, or turn the column into text first.',
  },
});

export const CANCELLED = record({ ...ENDED, status: 'cancelled' });

export const INTERRUPTED = record({
  ...ENDED,
  status: 'interrupted',
  error: {
    code: 'kernel-died',
    message: 'The kernel died.',
    hint: 'Run the cell again to export from the beginning.',
  },
});
