/** What a job is, as far as its bar depends on it: its kind, its file and its name. */

import type { JobRecord } from '../protocol';

export function isTransfer(record: JobRecord): boolean {
  return record.kind === 'download' || record.kind === 'upload';
}

export function isGroup(record: JobRecord): boolean {
  return record.kind === 'group';
}

/** Whatever a loop of somebody's counts; it makes no file. */
export function isTask(record: JobRecord): boolean {
  return record.kind === 'task';
}

/** Whether it is there for its file. */
export function makesFile({ kind }: JobRecord): boolean {
  return kind === 'export' || kind === 'download';
}

/** What was sent is where it was, a group is its parts, and a loop makes no file. */
export function hasFile(record: JobRecord): boolean {
  return makesFile(record) && record.url !== null;
}

/** What a person calls it. */
export function nameOf({ title, name }: JobRecord): string {
  return title ?? name;
}
