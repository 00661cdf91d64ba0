/** Every state that a bar can be in. */

import type { Connection } from '../src/channel/connection';
import { orphan } from '../src/job';
import type { JobRecord } from '../src/protocol';
import { GROUP_DONE, GROUP_FAILED, group, PARTS_DONE, PARTS_FAILED, parts } from '../tests/parts';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record } from '../tests/records';

export interface GalleryState {
  readonly title: string;
  readonly record: JobRecord | null;
  readonly connection: Connection;
  readonly language?: string;
  /** Of a group. */
  readonly parts?: readonly JobRecord[];
}

/** Those of which a picture is kept. Chinese looks different with every font, and is not. */
export const MAIN: ReadonlySet<string> = new Set([
  'connecting',
  'queued',
  'starting',
  'writing',
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

const LIVE: Connection = { kind: 'live' };
const state = (
  title: string,
  record: JobRecord | null,
  connection: Connection = LIVE,
): GalleryState => ({ title, record, connection });

const CONNECTIONS: readonly Connection[] = [
  { kind: 'connecting' },
  { kind: 'polling' },
  ...([null, 'restart', 'slow', 'position', 'silent', 'store'] as const).map(
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

export const STATES: readonly GalleryState[] = [
  state('connecting', null, { kind: 'connecting' }),
  state('queued', record({ status: 'queued', phase: 'starting', rows: 0, bytes: 0, progress: 0 })),
  state(
    'starting',
    record({ phase: 'starting', progress: 1.5, rows: 0, bytes: 0, rate: null, eta: null }),
  ),
  state('writing', record()),
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
  ...CONNECTIONS.flatMap(connected),
  state('offline, nothing known', null, { kind: 'offline', reason: 'unreachable' }),
  state('over the comm, blocking', record(), { kind: 'comm' }),
  state('long name', record({ name: `${'a very long name of a file, '.repeat(6)}2024.parquet` })),
  state('right to left', record({ name: 'رحلات نيويورك 2013.csv' })),
  { ...state('Chinese', record({ name: '航班.csv' })), language: 'zh-CN' },
  { ...state('Chinese, interrupted', INTERRUPTED), language: 'zh-CN' },
];
