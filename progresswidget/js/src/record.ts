/** Reads the record of a job, as the server sends it or as a notebook keeps it. */

import { count, field, type Json, type Kind, MalformedError, object, taskId, text } from './fields';
import {
  ACTIONS,
  ACTIVE_STATUSES,
  isOneOf,
  type JobError,
  type JobRecord,
  PHASES,
  STEP_STATUSES,
  type Step,
  TERMINAL_STATUSES,
} from './protocol';

// name -> kind, may be null, largest length or value: the rows of REPORT_FIELDS in protocol/,
// without those that the server keeps for itself (pid, fingerprint, control, part).
const COUNT = Number.MAX_SAFE_INTEGER;
export const RECORD_FIELDS: Readonly<Record<string, readonly [Kind, boolean, number]>> = {
  kind: ['text', false, 32],
  revision: ['count', false, COUNT],
  status: ['text', false, 16],
  phase: ['text', false, 16],
  name: ['text', false, 255],
  path: ['text', false, 4096],
  format: ['text', false, 32],
  mediaType: ['text', false, 128],
  generation: ['count', false, COUNT],
  progress: ['number', true, 100],
  rows: ['count', false, COUNT],
  total: ['count', true, COUNT],
  columns: ['count', false, COUNT],
  bytes: ['count', false, COUNT],
  rate: ['number', true, COUNT],
  eta: ['number', true, COUNT],
  elapsed: ['number', false, COUNT],
  created: ['count', false, COUNT],
  ended: ['count', true, COUNT],
  background: ['flag', false, 0],
  sha256: ['text', true, 64],
  kernelId: ['text', true, 64],
  cellId: ['text', true, 64],
};

// The same, and what it is where it is missing: fields that older servers and notebooks lack.
export const LATER_FIELDS: Readonly<Record<string, readonly [Kind, boolean, number, unknown]>> = {
  reused: ['count', false, COUNT, 0],
  appendOnly: ['flag', false, 0, false],
  parent: ['text', true, 32, null],
  title: ['text', true, 255, null],
  started: ['count', true, COUNT, null],
  schema: ['text', false, 1500, ''],
  options: ['text', false, 1500, ''],
  unit: ['text', false, 32, ''],
  postfix: ['text', false, 255, ''],
  obeys: ['flag', false, 0, true],
  leave: ['flag', false, 0, true],
};

/**
 * Read the public record of a job, as the server sends it.
 *
 * @throws MalformedError if a field is missing or has a value that the contract does not allow.
 */
export function decodeRecord(value: unknown): JobRecord {
  const source = object(value, 'the record');
  const record: Record<string, unknown> = { taskId: taskId(source.taskId) };
  for (const [name, [kind, nullable, limit]] of Object.entries(RECORD_FIELDS)) {
    record[name] = field(name, source[name], kind, nullable, limit);
  }
  for (const [name, [kind, nullable, limit, missing]] of Object.entries(LATER_FIELDS)) {
    record[name] = field(name, name in source ? source[name] : missing, kind, nullable, limit);
  }
  if (!isOneOf([...ACTIVE_STATUSES, ...TERMINAL_STATUSES], record.status)) {
    throw new MalformedError('status is none of the known ones');
  }
  if (!isOneOf(PHASES, record.phase)) throw new MalformedError('phase is none of the known ones');
  if (typeof record.sha256 === 'string' && !/^[0-9a-f]{64}$/.test(record.sha256)) {
    throw new MalformedError('sha256 must be 64 lower-case hexadecimal digits');
  }
  if (record.parent !== null) taskId(record.parent);
  record.steps = decodeSteps(source.steps ?? []);
  record.error = source.error == null ? null : decodeJobError(object(source.error, 'error'));
  record.url = text(source.url, 'url');
  record.notebook = source.notebook === null ? null : text(source.notebook, 'notebook');
  // Older servers and notebooks know nothing of it.
  record.userId = source.userId == null ? null : text(source.userId, 'userId');
  record.contents = source.contents == null ? null : text(source.contents, 'contents');
  record.source = source.source == null ? null : text(source.source, 'source');
  if (source.pending !== null && !isOneOf(ACTIONS, source.pending)) {
    throw new MalformedError('pending must be an action or null');
  }
  record.pending = source.pending;
  record.updated = count(source.updated, 'updated');
  return record as unknown as JobRecord;
}

/**
 * Read the record that a notebook or a widget keeps: the kernel's own view of the job, which has
 * none of the server's fields where no server was met. Null if it is not a record.
 */
export function decodeSnapshot(value: unknown): JobRecord | null {
  if (typeof value !== 'object' || value === null) return null;
  const source = value as Json;
  const url = typeof source.url === 'string' && source.url !== '' ? source.url : null;
  try {
    const record = decodeRecord({
      notebook: null,
      pending: null,
      updated: 0,
      ...source,
      url: url ?? '',
    });
    return { ...record, url };
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

/** Read the parts that a group's snapshot keeps; what is no record is left out. */
export function decodeParts(snapshot: unknown): JobRecord[] {
  const parts = (snapshot as { parts?: unknown } | null | undefined)?.parts;
  return Array.isArray(parts) ? parts.flatMap((part) => decodeSnapshot(part) ?? []) : [];
}

/** Steps of one job. */
const MAX_STEPS = 8;

function decodeSteps(steps: unknown): Step[] {
  if (!Array.isArray(steps) || steps.length > MAX_STEPS) {
    throw new MalformedError(`steps must be at most ${MAX_STEPS}`);
  }
  return steps.map((each) => {
    const { name, status } = object(each, 'a step');
    if (!isOneOf(STEP_STATUSES, status)) {
      throw new MalformedError('status is none of the known ones');
    }
    return { name: field('name', name, 'text', false, 32) as string, status };
  });
}

function decodeJobError(error: Json): JobError {
  return {
    code: text(error.code, 'error.code'),
    message: text(error.message, 'error.message'),
    hint: text(error.hint, 'error.hint'),
  };
}
