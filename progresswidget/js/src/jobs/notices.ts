/** Which ends are told in a notification, and by which of several pages: pure but for its ports. */

import type { JobRecord } from '../protocol';

export interface NoticeRule {
  readonly notices: boolean;
  /** Seconds. */
  readonly noticeAfter: number;
  readonly noticeHidden: boolean;
}

export type Notice = 'done' | 'failed' | 'interrupted';

/**
 * What is told of an end; null for nothing. Who has cancelled a job knows, and of many parts the
 * whole is told.
 */
export function noticeOf(record: JobRecord, rule: NoticeRule, hidden: boolean): Notice | null {
  const { status, elapsed, parent } = record;
  if (!rule.notices || parent !== null) return null;
  if (status !== 'done' && status !== 'failed' && status !== 'interrupted') return null;
  const wanted = (hidden && rule.noticeHidden) || elapsed >= rule.noticeAfter;
  return wanted ? status : null;
}

/** Milliseconds for which a hidden page leaves an end to one that is looked at. */
const COURTESY = 400;
/** Milliseconds for which an end stays taken: pages hear of it within less. */
const HOLD = 10_000;

/**
 * Take an end for this page, before others of the same browser.
 *
 * A page that is looked at comes first, and where it says nothing nobody does: the person was there.
 *
 * @returns Whether it is this page's. Where there are no locks it always is.
 */
export async function takeEnd(
  record: JobRecord,
  hidden: boolean,
  locks: LockManager | undefined,
  wait: (milliseconds: number) => Promise<void>,
): Promise<boolean> {
  if (!locks) return true;
  if (hidden) await wait(COURTESY);
  const name = `progresswidget:end:${record.taskId}:${record.generation}`;
  return await new Promise((resolve, reject) => {
    locks
      .request(name, { ifAvailable: true }, async (lock) => {
        resolve(lock !== null);
        if (lock) await wait(HOLD);
      })
      .catch(reject);
  });
}
