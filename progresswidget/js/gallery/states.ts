/** Every state that a bar can be in. */

import type { Connection } from '../src/channel/connection';
import { orphan } from '../src/known';
import type { JobRecord, TransferRecord } from '../src/protocol';
import type { ButtonName } from '../src/view/icons';
import { DELIVERED, delivery, SENDING, UNDONE, WITHDRAWN } from '../tests/deliveries';
import { GROUP_DONE, GROUP_FAILED, group, PARTS_DONE, PARTS_FAILED, parts } from '../tests/parts';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record, TASK } from '../tests/records';

export interface GalleryState {
  readonly title: string;
  readonly record: JobRecord | null;
  readonly connection: Connection;
  readonly language?: string;
  /** Of a group. */
  readonly parts?: readonly JobRecord[];
  /** What is known of its name before the first record. */
  readonly name?: string;
  /** What was heard before: milliseconds before the record, and the rate then. */
  readonly rates?: readonly (readonly [number, number])[];
  /** Buttons that a person has pressed. */
  readonly pressed?: readonly ButtonName[];
  readonly received?: TransferRecord;
}

const RATES = [4, 6, 7, 5, 5.6, 6.4, 6.1, 2, 5.9, 6.2, 6.12].map(
  (rate, n, all) => [2000 * (all.length - n), rate * 100_000] as const,
);
const RECEIVED: TransferRecord = {
  userId: '',
  fileId: `${TASK}/1`,
  offset: 40_000_000,
  timestamp: 1_712_000_002_400,
  received: 40_000_000,
  size: 138_412_032,
  name: 'flights.csv',
  direction: 'download',
  taskId: TASK,
  active: true,
  complete: false,
};
const ONCE_MORE = { reused: 1_000_000, generation: 2 } as const;

/** Those of which a picture is kept. Chinese looks different with every font, and is not. */
export const MAIN: ReadonlySet<string> = new Set([
  'connecting',
  'queued',
  'starting',
  'writing',
  'writing, with what went before',
  'cancelling, for a moment',
  'read while it is written',
  'details',
  'done, two bars',
  'nothing at all is known',
  'killed for memory',
  'total unknown',
  'finishing',
  'pausing',
  'paused',
  'done',
  'failed',
  'cancelled',
  'interrupted',
  'reconnecting 2 5 silent',
  'offline unreachable',
  'polling',
  'offline, nothing known',
  'over the comm, blocking',
]);

/** A job of its own: what is known of rates belongs to one. */
const OTHER = 'f'.repeat(32);
const LIVE: Connection = { kind: 'live' };
const state = (
  title: string,
  record: JobRecord | null,
  connection: Connection = LIVE,
): GalleryState => ({ title, record, connection });

const CONNECTIONS: readonly Connection[] = [
  { kind: 'connecting' },
  { kind: 'polling' },
  ...([null, 'restart', 'slow', 'silent'] as const).map(
    (cause) => ({ kind: 'reconnecting', attempt: 2, of: 5, cause }) as const,
  ),
  ...(
    ['unreachable', 'absent', 'login', 'forbidden', 'version', 'malformed', 'refused'] as const
  ).map((reason) => ({ kind: 'offline', reason }) as const),
];

const connected = (connection: Connection): GalleryState[] => {
  const { kind, ...more } = connection;
  const title = [kind, ...Object.values(more)].join(' ');
  const shown = state(title, record({ name: 'flights by month.csv' }), connection);
  return [shown, { ...shown, title: `${title}, Chinese`, language: 'zh-CN' }];
};

const GROUPS: readonly GalleryState[] = [
  { ...state('a group', group()), parts: parts() },
  {
    ...state('a group of nobody knows how many', group({ progress: null, total: null, eta: null })),
    parts: parts().slice(0, 5),
  },
  {
    ...state('a group, paused', group({ status: 'paused', rate: null, eta: null })),
    parts: parts({ 2: { status: 'paused' }, 3: { status: 'paused' }, 4: { status: 'paused' } }),
  },
  { ...state('a group, done', GROUP_DONE), parts: PARTS_DONE },
  { ...state('a group, failed', GROUP_FAILED), parts: PARTS_FAILED },
];

/** Of an epoch that is to leave nothing, and of its batches. */
const loop = (changes: Partial<JobRecord> = {}) =>
  record({
    kind: 'task',
    name: 'Training',
    title: 'Training',
    path: '/home/alice/Training',
    format: '',
    mediaType: '',
    schema: '',
    options: '',
    columns: 0,
    bytes: 0,
    unit: 'epoch',
    postfix: 'loss=0.0312, acc=0.981',
    obeys: false,
    progress: 42,
    rows: 42,
    total: 100,
    rate: 0.31,
    eta: 187,
    elapsed: 135.4,
    ...changes,
  });
const line = (taskId: string, changes: Partial<JobRecord>) =>
  loop({ taskId: taskId.repeat(32), parent: TASK, unit: 'it', postfix: '', ...changes });
const INNER = [
  line('1', { title: 'batches', rows: 311, total: 938, progress: 33.1, created: 1 }),
  line('2', {
    title: 'images, which have quite a long name',
    unit: 'B',
    rows: 48_128_000,
    created: 2,
  }),
  line('3', { title: 'pages', rows: 7, total: null, progress: null, created: 3 }),
];
/** Of a search whose folds run epochs, and those batches; another one stands beside the folds. */
const NESTED = [
  line('1', { title: 'folds', unit: 'fold', rows: 2, total: 5, progress: 40, created: 1 }),
  line('2', { title: 'epochs', within: '1'.repeat(32), rows: 311, total: 938, created: 2 }),
  line('3', { title: 'batches', within: '2'.repeat(32), rows: 48, total: 64, created: 3 }),
  line('4', { title: 'checks', rows: 7, total: null, progress: null, created: 4 }),
];
const OVER = { status: 'done', rate: null, eta: null, ended: 1_712_000_006_000 } as const;

const LOOPS: readonly GalleryState[] = [
  { ...state('a loop, and those within it', loop()), parts: INNER },
  state('a loop that obeys', loop({ obeys: true, unit: 'it', rate: 8123.4, eta: 4, postfix: '' })),
  state('a loop over bytes', loop({ unit: 'B', rows: 48_128_000, total: 138_412_032, rate: 2e6 })),
  state('a loop of nobody knows how many', loop({ total: null, progress: null, eta: null })),
  state('a loop, done', loop({ ...OVER, rows: 100, progress: 100 })),
  { ...state('loops within loops within a loop', loop()), parts: NESTED },
  {
    ...state('a loop that was left, and some within it', loop(OVER)),
    parts: NESTED.map((part) => ({ ...part, ...OVER })),
  },
  { ...state('a loop that was left, Chinese', loop(OVER)), language: 'zh' },
  state('a loop that failed', {
    ...FAILED,
    ...loop({
      ...OVER,
      status: 'failed',
      error: { code: 'failed', message: 'ValueError: no column named price', hint: '' },
    }),
  }),
  state('a loop that was cancelled', loop({ ...OVER, status: 'cancelled' })),
  state(
    'a loop whose kernel died',
    loop({ ...OVER, status: 'interrupted', error: INTERRUPTED.error }),
  ),
];

const DELIVERIES: readonly GalleryState[] = [
  state('a delivery', SENDING),
  state('a delivery, paused', { ...SENDING, status: 'paused' }),
  state('a delivery that is being undone', delivery(['done', 'undoing', 'failed'])),
  state('a delivery, done', DELIVERED),
  state('a delivery that was undone', UNDONE),
  { ...state('a delivery that was undone, Chinese', UNDONE), language: 'zh' },
  { ...state('steps among the details', UNDONE), pressed: ['details'] },
  state('a delivery that was cancelled', WITHDRAWN),
  state('a delivery whose kernel died', {
    ...SENDING,
    status: 'interrupted',
    error: INTERRUPTED.error,
  }),
];

export const STATES: readonly GalleryState[] = [
  state('connecting', null, { kind: 'connecting' }),
  state('queued', record({ status: 'queued', phase: 'starting', rows: 0, bytes: 0, progress: 0 })),
  state(
    'starting',
    record({ phase: 'starting', progress: 1.5, rows: 0, bytes: 0, rate: null, eta: null }),
  ),
  state('writing', record()),
  { ...state('nothing at all is known', null, { kind: 'connecting' }), name: '' },
  {
    ...state('writing, with what went before', record({ taskId: OTHER, rows: 2_000_000 })),
    rates: RATES,
  },
  { ...state('cancelling, for a moment', record()), pressed: ['cancel'] },
  {
    ...state('read while it is written', record({ appendOnly: true })),
    received: { ...RECEIVED, size: null },
  },
  { ...state('details', { ...DONE, ...ONCE_MORE }), pressed: ['details'] },
  { ...state('done, two bars', DONE), received: { ...RECEIVED, size: DONE.bytes } },
  state('paused, total unknown', record({ status: 'paused', progress: null, total: null })),
  state('killed for memory', {
    ...INTERRUPTED,
    error: { code: 'kernel-out-of-memory', message: '', hint: '' },
  }),
  state('total unknown', record({ progress: null, total: null, eta: null })),
  state('finishing', record({ phase: 'finishing', progress: 99.2, rows: 3_367_760, eta: 0.4 })),
  state('pausing', record({ pending: 'pause' })),
  state('paused', record({ status: 'paused', rate: null, eta: null })),
  state('cancelling', record({ pending: 'cancel' })),
  state('done', DONE),
  state('failed', FAILED),
  state('cancelled', CANCELLED),
  state('interrupted', INTERRUPTED),
  state('unknown to the server', orphan(record()), LIVE),
  ...GROUPS,
  ...GROUPS.map((shown) => ({ ...shown, title: `${shown.title}, Chinese`, language: 'zh-CN' })),
  ...LOOPS,
  ...DELIVERIES,
  ...LOOPS.map((shown) => ({ ...shown, title: `${shown.title}, Chinese`, language: 'zh-CN' })),
  ...CONNECTIONS.flatMap(connected),
  state('offline, nothing known', null, { kind: 'offline', reason: 'unreachable' }),
  state('over the comm, blocking', record(), { kind: 'comm' }),
  state('long name', record({ name: `${'a very long name of a file, '.repeat(6)}2024.parquet` })),
  state('right to left', record({ name: 'رحلات نيويورك 2013.csv' })),
  { ...state('Chinese', record({ name: '航班.csv' })), language: 'zh-CN' },
  { ...state('Chinese, interrupted', INTERRUPTED), language: 'zh-CN' },
  {
    ...state('Chinese, details', { ...DONE, ...ONCE_MORE }),
    language: 'zh-CN',
    pressed: ['details'],
  },
];
