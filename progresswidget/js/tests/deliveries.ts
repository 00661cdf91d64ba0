/** Deliveries and their steps, for tests and the gallery. */

import type { JobRecord, StepStatus } from '../src/protocol';
import { CANCELLED, DONE, FAILED, record } from './records';

/** A delivery whose three steps are so far. */
export function delivery(
  [write, send, publish]: readonly [StepStatus, StepStatus, StepStatus],
  changes: Partial<JobRecord> = {},
): JobRecord {
  return record({
    kind: 'upload',
    phase: 'sending',
    rows: 58_700_000,
    total: 138_412_032,
    columns: 0,
    rate: 21_400_000,
    steps: [
      { name: 'write', status: write },
      { name: 'send', status: send },
      { name: 'publish', status: publish },
    ],
    ...changes,
  });
}

const ended = { columns: 0, rows: 138_412_032, total: 138_412_032 } as const;
const { status: done, progress, sha256, eta, rate, ended: at } = DONE;

export const SENDING = delivery(['done', 'running', 'queued']);
export const DELIVERED = delivery(['done', 'done', 'done'], {
  ...ended,
  ...{ status: done, progress, sha256, eta, rate, ended: at },
});
export const UNDONE = delivery(['undone', 'undone', 'failed'], {
  ...ended,
  ...{ status: FAILED.status, eta, rate, ended: at, progress: 99.9 },
  error: { code: 'transfer-refused', message: 'The server answered 403 Forbidden.', hint: '' },
});
export const WITHDRAWN = delivery(['undone', 'cancelled', 'queued'], {
  ...{ status: CANCELLED.status, eta, rate, ended: at },
});
