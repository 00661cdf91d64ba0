/**
 * The wire contract between server and browser: the twin of `progresswidget/protocol.py`.
 *
 * Nothing here does I/O. The frames in `tests/data/protocol/` hold the two languages together.
 */

export const SUBPROTOCOL = 'v1.progress';
export const JOB_MIMETYPE = 'application/vnd.progresswidget.job+json';
export const RECEIPT_MIMETYPE = 'application/vnd.progresswidget.receipt+json';

export const ACTIVE_STATUSES = ['queued', 'running', 'paused'] as const;
export const TERMINAL_STATUSES = ['done', 'failed', 'cancelled', 'interrupted'] as const;
export const ACTIONS = ['pause', 'resume', 'cancel'] as const;
export const PHASES = [
  'starting',
  'hashing',
  'reading',
  'writing',
  'compressing',
  'finishing',
  'connecting',
  'waiting',
  'receiving',
  'sending',
  'verifying',
] as const;

export type Status = (typeof ACTIVE_STATUSES)[number] | (typeof TERMINAL_STATUSES)[number];
export type Action = (typeof ACTIONS)[number];
export type Phase = (typeof PHASES)[number];

/** Bytes of one text frame, either way. */
export const MAX_FRAME = 64 * 1024;
/** Codes 4000 to 4499 mean "come back later", 4500 to 4999 "do not". */
export const CLOSE_SILENT = 4012;
export const CLOSE_STOP_FROM = 4500;
export const CLOSE_STOP_TO = 4999;
export const CLOSE_LOGIN = 4501;
export const CLOSE_FORBIDDEN = 4503;
export const CLOSE_VERSION = 4506;

export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** The public record of a job; times are milliseconds since 1970, durations seconds. */
export interface JobRecord {
  readonly taskId: string;
  /** `export`, `download` or `upload`; what the latter two count as rows are bytes. */
  readonly kind: string;
  readonly revision: number;
  readonly status: Status;
  readonly phase: Phase;
  readonly name: string;
  readonly path: string;
  readonly format: string;
  readonly mediaType: string;
  readonly generation: number;
  readonly progress: number | null;
  readonly rows: number;
  /** Rows of those that an earlier run had written. */
  readonly reused: number;
  readonly total: number | null;
  readonly columns: number;
  readonly bytes: number;
  readonly rate: number | null;
  readonly eta: number | null;
  readonly elapsed: number;
  readonly created: number;
  readonly ended: number | null;
  readonly background: boolean;
  /** Whether the file can be read while it is written. */
  readonly appendOnly: boolean;
  readonly sha256: string | null;
  readonly kernelId: string | null;
  readonly cellId: string | null;
  readonly error: JobError | null;
  /** Absolute path of the file; null only in a snapshot of a kernel that met no server. */
  readonly url: string | null;
  readonly notebook: string | null;
  readonly pending: Action | null;
  readonly updated: number;
}

export interface Hello {
  readonly type: 'hello';
  readonly session: string;
  /** Seconds. */
  readonly heartbeat: number;
}

export interface JobEvent {
  readonly type: 'event';
  readonly epoch: string;
  readonly from: number;
  readonly seq: number;
  readonly record: JobRecord;
}

export interface Subscribed {
  readonly type: 'subscribed';
  readonly taskId: string;
  readonly epoch: string;
  readonly seq: number;
  /** Null where the position that the client named is the newest state already. */
  readonly snapshot: JobRecord | null;
}

export interface Removed {
  readonly type: 'removed';
  readonly taskId: string;
}

/** How far one file is for one user; times are milliseconds since 1970. */
export interface TransferRecord {
  readonly userId: string;
  readonly fileId: string;
  /** Bytes from the first on that have moved without a gap. */
  readonly offset: number;
  readonly timestamp: number;
  /** Bytes that have moved, in as many pieces as there are. */
  readonly received: number;
  readonly size: number | null;
  readonly name: string;
  readonly direction: 'download' | 'upload';
  /** The job whose file it is, if it is one. */
  readonly taskId: string | null;
  readonly active: boolean;
  readonly complete: boolean;
}

export interface TransferUpdate {
  readonly type: 'transfer';
  readonly record: TransferRecord;
}

export interface Pong {
  readonly type: 'pong';
}

export interface ServerError {
  readonly type: 'error';
  /** The message that it answers, if it answers one. */
  readonly re: number | null;
  readonly code: string;
  readonly message: string;
  readonly taskId: string | null;
  readonly temporary: boolean;
}

/** A type that this version does not know: ignored, so that a newer server may say more. */
export interface Unknown {
  readonly type: 'unknown';
}

export type ServerMessage =
  | Hello
  | JobEvent
  | Subscribed
  | Removed
  | TransferUpdate
  | Pong
  | ServerError
  | Unknown;

/** The last event that was applied for a task. */
export interface Position {
  readonly taskId: string;
  readonly epoch?: string;
  readonly seq?: number;
}

export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

type Json = Readonly<Record<string, unknown>>;
type Kind = 'text' | 'count' | 'number' | 'flag';

// name -> kind, may be null, largest length or value: the rows of REPORT_FIELDS in protocol.py,
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
};

/** Say whether `value` is a task id: 128 random bits as 32 lower-case hexadecimal digits. */
export function isTaskId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

export function isTerminal(status: Status): boolean {
  return isOneOf(TERMINAL_STATUSES, status);
}

/**
 * Read one frame of the server.
 *
 * @throws MalformedError if the frame breaks the contract; the connection is then not to be trusted.
 */
export function decodeServerFrame(frame: unknown): ServerMessage {
  if (typeof frame !== 'string') throw new MalformedError('frames are text, not binary');
  if (frame.length > MAX_FRAME) throw new MalformedError(`a frame is at most ${MAX_FRAME} bytes`);
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch {
    throw new MalformedError('not JSON');
  }
  return decodeMessage(object(message, 'the message'));
}

function decodeMessage(message: Json): ServerMessage {
  const type = message.type;
  if (typeof type !== 'string') throw new MalformedError('type must be a text');
  switch (type) {
    case 'hello':
    case 'subscribed':
    case 'progress_update':
    case 'task_complete':
    case 'task_removed':
    case 'transfer_update':
    case 'pong':
    case 'error':
      break;
    default:
      return { type: 'unknown' };
  }
  count(message.timestamp, 'timestamp');
  const data = object(message.data, 'data');
  switch (type) {
    case 'hello':
      return decodeHello(data);
    case 'subscribed':
      return decodeSubscribed(message, data);
    case 'task_removed':
      return { type: 'removed', taskId: taskId(data.taskId) };
    case 'transfer_update':
      return { type: 'transfer', record: decodeTransfer(data) };
    case 'pong':
      return { type: 'pong' };
    case 'error':
      return decodeError(message, data);
    default:
      return decodeEvent(type, message, data);
  }
}

function decodeHello(data: Json): Hello {
  const heartbeat = data.heartbeat;
  if (typeof heartbeat !== 'number' || !(heartbeat > 0)) {
    throw new MalformedError('heartbeat must be seconds above 0');
  }
  return { type: 'hello', session: text(data.session, 'session'), heartbeat };
}

function decodeSubscribed(message: Json, data: Json): Subscribed {
  count(message.re, 're');
  const position = {
    taskId: taskId(data.taskId),
    epoch: text(message.epoch, 'epoch'),
    seq: count(message.seq, 'seq'),
  };
  if (data.recovered === true) return { type: 'subscribed', ...position, snapshot: null };
  if (data.recovered !== false) throw new MalformedError('recovered must be true or false');
  const snapshot = decodeRecord(data.snapshot);
  if (snapshot.taskId !== position.taskId) {
    throw new MalformedError('the snapshot belongs to another task');
  }
  return { type: 'subscribed', ...position, snapshot };
}

function decodeEvent(type: string, message: Json, data: Json): JobEvent {
  const from = count(message.from, 'from');
  const seq = count(message.seq, 'seq');
  if (from < 1 || from > seq) throw new MalformedError('from must be between 1 and seq');
  const record = decodeRecord(data);
  if (isTerminal(record.status) !== (type === 'task_complete')) {
    throw new MalformedError(`${type} does not fit the status ${record.status}`);
  }
  return { type: 'event', epoch: text(message.epoch, 'epoch'), from, seq, record };
}

function decodeError(message: Json, data: Json): ServerError {
  return {
    type: 'error',
    re: Number.isSafeInteger(message.re) ? (message.re as number) : null,
    code: text(data.code, 'code'),
    message: text(data.message, 'message'),
    taskId: data.taskId === undefined ? null : taskId(data.taskId),
    temporary: data.temporary === true,
  };
}

function decodeTransfer(data: Json): TransferRecord {
  const direction = data.direction;
  if (!isOneOf(['download', 'upload'] as const, direction)) {
    throw new MalformedError('direction must be download or upload');
  }
  return {
    userId: text(data.userId, 'userId'),
    fileId: text(data.fileId, 'fileId'),
    offset: count(data.offset, 'offset'),
    timestamp: count(data.timestamp, 'timestamp'),
    received: count(data.received, 'received'),
    size: data.size === null ? null : count(data.size, 'size'),
    name: text(data.name, 'name'),
    direction,
    taskId: data.taskId === null ? null : taskId(data.taskId),
    active: flag(data.active, 'active'),
    complete: flag(data.complete, 'complete'),
  };
}

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
  record.error = source.error == null ? null : decodeJobError(object(source.error, 'error'));
  record.url = text(source.url, 'url');
  record.notebook = source.notebook === null ? null : text(source.notebook, 'notebook');
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

function decodeJobError(error: Json): JobError {
  return {
    code: text(error.code, 'error.code'),
    message: text(error.message, 'error.message'),
    hint: text(error.hint, 'error.hint'),
  };
}

function field(name: string, value: unknown, kind: Kind, nullable: boolean, limit: number) {
  if (value === null && nullable) return null;
  const good =
    kind === 'text'
      ? // Python counts code points, and a surrogate pair is two of JavaScript's units.
        typeof value === 'string' && (value.length <= limit || [...value].length <= limit)
      : kind === 'flag'
        ? typeof value === 'boolean'
        : typeof value === 'number' &&
          value >= 0 &&
          value <= limit &&
          (kind === 'number' || Number.isInteger(value));
  if (!good) throw new MalformedError(`${name} must be a ${kind} of at most ${limit}`);
  return value;
}

function object(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedError(`${name} must be an object`);
  }
  return value as Json;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new MalformedError(`${name} must be a text`);
  return value;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw new MalformedError(`${name} must be true or false`);
  return value;
}

function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedError(`${name} must be a whole number from 0 on`);
  }
  return value;
}

function taskId(value: unknown): string {
  if (!isTaskId(value)) throw new MalformedError('a task id is 32 hexadecimal digits');
  return value;
}

export function isOneOf<T>(values: readonly T[], value: unknown): value is T {
  return (values as readonly unknown[]).includes(value);
}

// --- Messages: browser to server ----------------------------------------------------------------

export function encodeSubscribe(id: number, tasks: readonly Position[]): string {
  return JSON.stringify({ type: 'subscribe', id, data: { tasks } });
}

export function encodeUnsubscribe(id: number, taskIds: readonly string[]): string {
  return JSON.stringify({ type: 'unsubscribe', id, data: { tasks: taskIds } });
}

export function encodePing(id: number): string {
  return JSON.stringify({ type: 'ping', id });
}
