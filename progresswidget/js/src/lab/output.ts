/** What an output of ours says in its metadata, and how one is made. */

import type { IDisplayData } from '@jupyterlab/nbformat';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { isTaskId, JOB_MIMETYPE, type JobRecord } from '../protocol';
import { decodeParts, decodeSnapshot } from '../record';

export interface JobMetadata {
  readonly taskId: string;
  /** Whether the kernel found a server extension. */
  readonly server: boolean;
  /** It is a widget that somebody made of the job, beside or instead of the job's own output. */
  readonly widget: boolean;
  readonly snapshot: JobRecord | null;
  /** Of a group: what it consists of. */
  readonly parts: readonly JobRecord[];
}

/** Read the metadata of an output; null if it shows no job. */
export function jobMetadata(metadata: unknown): JobMetadata | null {
  const own = (metadata as Record<string, unknown> | null | undefined)?.[JOB_MIMETYPE];
  if (typeof own !== 'object' || own === null) return null;
  const { taskId, server, widget, snapshot } = own as Record<string, unknown>;
  if (!isTaskId(taskId)) return null;
  const parts = decodeParts(snapshot);
  return {
    taskId,
    server: server === true,
    widget: widget === true,
    snapshot: decodeSnapshot(snapshot),
    parts,
  };
}

/** The same of a job's own output alone, of which there is to be one. */
export function ownMetadata(metadata: unknown): JobMetadata | null {
  const found = jobMetadata(metadata);
  return found?.widget ? null : found;
}

/** The metadata of an output with its snapshot replaced. */
export function withSnapshot(
  metadata: ReadonlyPartialJSONObject,
  record: JobRecord,
  parts: readonly JobRecord[] = [],
): ReadonlyPartialJSONObject {
  const own = metadata[JOB_MIMETYPE] as ReadonlyPartialJSONObject | undefined;
  const kept = toJson(record);
  const snapshot = parts.length > 0 ? { ...kept, parts: parts.map(toJson) } : kept;
  return { ...metadata, [JOB_MIMETYPE]: { ...own, snapshot } };
}

/** An output like the one that the kernel displayed, for a notebook that lost it. */
export function displayOf(record: JobRecord): IDisplayData {
  const data = { version: 1, kind: record.kind, name: record.name };
  return {
    output_type: 'display_data',
    data: { [JOB_MIMETYPE]: data, 'text/plain': record.name },
    metadata: {
      [JOB_MIMETYPE]: { taskId: record.taskId, server: true, snapshot: toJson(record) },
    },
  };
}

// Plain JSON by construction: decoded from a frame, and only texts, numbers, flags, null and lists of these. It is
// saved, and a notebook travels: where its author's folders are is nobody's business.
function toJson(record: JobRecord) {
  return {
    ...record,
    path: record.name,
    steps: record.steps.map((step) => ({ ...step })),
    error: record.error && { ...record.error },
  };
}
