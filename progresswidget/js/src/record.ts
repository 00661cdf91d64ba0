/** Reads the record of a job, as the server sends it or as a notebook keeps it. */

import {
  FLAG,
  type Json,
  list,
  MalformedError,
  MOST,
  object,
  type Rules,
  read,
  refuse,
  TEXT,
  WHOLE,
} from './fields';
import {
  ACTIONS,
  ACTIVE_STATUSES,
  type JobError,
  type JobRecord,
  PHASES,
  STEP_STATUSES,
  type Step,
  TASK_ID,
  TERMINAL_STATUSES,
} from './protocol';

// The rows of REPORT_FIELDS in protocol/, without those that the server keeps for itself (pid,
// fingerprint, control, part) and those of several fields. Older servers and notebooks lack some.
export const RECORD_FIELDS: Rules = {
  taskId: [TASK_ID],
  kind: ['text', false, 32],
  revision: WHOLE,
  status: [[...ACTIVE_STATUSES, ...TERMINAL_STATUSES]],
  phase: [PHASES],
  name: ['text', false, 255],
  path: ['text', false, 4096],
  format: ['text', false, 32],
  mediaType: ['text', false, 128],
  generation: WHOLE,
  progress: ['number', true, 100],
  rows: WHOLE,
  total: ['count', true],
  columns: WHOLE,
  bytes: WHOLE,
  rate: ['number', true],
  eta: ['number', true],
  elapsed: ['number'],
  created: WHOLE,
  ended: ['count', true],
  background: FLAG,
  sha256: [/^[0-9a-f]{64}$/, true],
  kernelId: ['text', true, 64],
  cellId: ['text', true, 64],
  reused: ['count', false, MOST, 0],
  read: ['count', false, MOST, 0],
  appendOnly: ['flag', false, MOST, false],
  parent: [TASK_ID, true, MOST, null],
  within: [TASK_ID, true, MOST, null],
  title: ['text', true, 255, null],
  started: ['count', true, MOST, null],
  schema: ['text', false, 1500, ''],
  options: ['text', false, 1500, ''],
  unit: ['text', false, 32, ''],
  postfix: ['text', false, 255, ''],
  obeys: ['flag', false, MOST, true],
  leave: ['flag', false, MOST, true],
  // What the server adds.
  url: TEXT,
  notebook: ['text', true],
  pending: [ACTIONS, true],
  updated: WHOLE,
  userId: ['text', true, MOST, null],
  contents: ['text', true, MOST, null],
  source: ['text', true, MOST, null],
};

/**
 * Read the public record of a job, as the server sends it.
 *
 * @throws MalformedError if a field is missing or has a value that the contract does not allow.
 */
export function decodeRecord(value: unknown): JobRecord {
  const source = object(value, 'record');
  const { steps, error } = source;
  return {
    ...read<JobRecord>(source, RECORD_FIELDS),
    steps: steps == null ? [] : decodeSteps(steps),
    error: error == null ? null : read<JobError>(object(error, 'error'), ERROR_FIELDS),
  };
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

const ERROR_FIELDS: Rules = { code: TEXT, message: TEXT, hint: TEXT };
const STEP_FIELDS: Rules = { name: ['text', false, 32], status: [STEP_STATUSES] };
/** Steps of one job. */
const MAX_STEPS = 8;

function decodeSteps(value: unknown): Step[] {
  const steps = list(value, 'steps');
  if (steps.length > MAX_STEPS) refuse('steps');
  return steps.map((step) => read<Step>(object(step, 'step'), STEP_FIELDS));
}
