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

/** What all pages of a browser keep together, such as its `localStorage`. */
export type Told = Pick<Storage, 'getItem' | 'setItem'>;

const TOLD = 'progresswidget:told';
/** Ends that are remembered: more than a day brings. */
const TOLD_AT_MOST = 200;

/**
 * Take an end for this page, before others of the same browser.
 *
 * A page that is looked at comes first, and where it says nothing nobody does: the person was there.
 *
 * @param told Where ends are remembered: a page that slept may hear of one much later.
 * @returns Whether it is this page's. Where there are no locks and no memory it always is.
 */
export async function takeEnd(
  record: JobRecord,
  hidden: boolean,
  locks: LockManager | undefined,
  wait: (milliseconds: number) => Promise<void>,
  told: Told | null = null,
): Promise<boolean> {
  const end = `${record.taskId}:${record.generation}`;
  if (!locks) return isFirst(end, told);
  if (hidden) await wait(COURTESY);
  return await new Promise((resolve, reject) => {
    locks
      .request(`progresswidget:end:${end}`, { ifAvailable: true }, async (lock) => {
        resolve(lock !== null && isFirst(end, told));
        if (lock) await wait(HOLD);
      })
      .catch(reject);
  });
}

/** Note an end; false where it was told before. What cannot be kept was not. */
function isFirst(end: string, told: Told | null): boolean {
  try {
    const ends = told?.getItem(TOLD)?.split(' ') ?? [];
    if (ends.includes(end)) return false;
    told?.setItem(TOLD, [...ends, end].slice(-TOLD_AT_MOST).join(' '));
  } catch {
    // A page may be forbidden to keep anything, and its room may be full.
  }
  return true;
}
