/** An upload as it is kept for the next page. */

import type { Kept } from '../kept';
import type { UploadJob } from './engine';
import type { GroupMark } from './group';
import type { FileMark } from './plan';

export interface UploadEntry extends UploadJob, FileMark, Kept {
  readonly base: string;
  readonly handle: FileSystemFileHandle | null;
  readonly offset: number;
  /** The person has stopped it: it does not go on by itself. */
  readonly paused: boolean;
  /** The folder that it is a part of, and its path there. */
  readonly group?: GroupMark;
  readonly source?: string;
}

/** Where a file goes, and by what it is read again. */
export type Aim = Pick<UploadEntry, 'folder' | 'target' | 'overwrite' | 'handle'>;

/** An upload that is to begin, of which the server knows nothing yet. */
export function newEntry({ name, size, lastModified }: File, aim: Aim, base: string): UploadEntry {
  const [id, now] = [randomId(), Date.now()];
  // The beginning of a file is read when its turn comes: of a folder that would take a while.
  const mark = { name, size, modified: lastModified, prefix: '' };
  const progress = { location: null, offset: 0, paused: false, created: now, updated: now };
  return { ...mark, ...aim, ...progress, id, base };
}

/** 128 random bits; `crypto.randomUUID` is there on secure addresses only. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
