/**
 * The words of the contract between server and browser: with `record.ts` and `frames.ts`, which read
 * and write them, the twin of `progresswidget/protocol/`.
 *
 * None of them does I/O. The frames in `tests/data/protocol/` hold the two languages together.
 */

export const SUBPROTOCOL = 'v1.progress';
export const JOB_MIMETYPE = 'application/vnd.progresswidget.job+json';
export const PROGRESS_MIMETYPE = 'application/vnd.progresswidget.progress+json';
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

export const STEP_STATUSES = [
  ...TERMINAL_STATUSES,
  'queued',
  'running',
  'undoing',
  'undone',
] as const;

export type Status = (typeof ACTIVE_STATUSES)[number] | (typeof TERMINAL_STATUSES)[number];
export type Action = (typeof ACTIONS)[number];
export type StepStatus = (typeof STEP_STATUSES)[number];
export type Phase = (typeof PHASES)[number];

/** Bytes of one text frame, either way. */
export const MAX_FRAME = 64 * 1024;
/** Codes 4000 to 4499 mean "come back later", 4500 to 4999 "do not". */
export const CLOSE_RESTART = 4001;
export const CLOSE_SLOW = 4008;
export const CLOSE_SILENT = 4012;
export const CLOSE_STOP_FROM = 4500;
export const CLOSE_STOP_TO = 4999;
export const CLOSE_MALFORMED = 4500;
export const CLOSE_LOGIN = 4501;
export const CLOSE_FORBIDDEN = 4503;
export const CLOSE_VERSION = 4506;

export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** One step of a job that has some. */
export interface Step {
  /** `write`, `send` or `publish` of a delivery. */
  readonly name: string;
  readonly status: StepStatus;
}

/** The public record of a job; times are milliseconds since 1970, durations seconds. */
export interface JobRecord {
  readonly taskId: string;
  /**
   * `export`, `download`, `upload`, `task` or `group`; what transfers count as rows are bytes, loops
   * their `unit`, and groups the files that are there, or of `unit` loop the loops that are over.
   */
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
  /** Rows read of the source, written or not. */
  readonly read: number;
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
  /** The job that it is a part of. */
  readonly parent: string | null;
  /** The part of the same job that it runs within, where there is one. */
  readonly within: string | null;
  /** What a person calls it, where that is not its file. */
  readonly title: string | null;
  /** When the work began; null before. */
  readonly started: number | null;
  /** The first columns: a line each, the name, a tab and the Arrow type. */
  readonly schema: string;
  /** Options that were chosen: a line each, the name, a tab and the value. */
  readonly options: string;
  /** What a loop counts: `it`, or `B` for bytes. */
  readonly unit: string;
  /** What a loop says of itself. */
  readonly postfix: string;
  /** Whether it does what a person asks of it. */
  readonly obeys: boolean;
  /** Whether it is remembered when it is done. */
  readonly leave: boolean;
  readonly sha256: string | null;
  readonly kernelId: string | null;
  readonly cellId: string | null;
  /** The steps of a job that has some, in order. */
  readonly steps: readonly Step[];
  readonly error: JobError | null;
  /** Absolute path of the file; null only in a snapshot of a kernel that met no server. */
  readonly url: string | null;
  readonly notebook: string | null;
  /** Whose job it is, where that is known. */
  readonly userId: string | null;
  /** Path of the file below the server's root, where the file browser shows it. */
  readonly contents: string | null;
  /** Path below the server's root of the file that is converted; null for a kernel's data. */
  readonly source: string | null;
  readonly pending: Action | null;
  readonly updated: number;
}

export interface Hello {
  readonly type: 'hello';
  readonly session: string;
  /** Seconds of silence after which a sign of life is due. */
  readonly heartbeat: number;
  /** Seconds of silence after which the peer is gone; null where it is twice the heartbeat. */
  readonly timeout: number | null;
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
  /** The `subscribe` that it answers; null where nobody has asked. */
  readonly re: number | null;
  readonly taskId: string;
  readonly epoch: string;
  readonly seq: number;
  /** Null where `events` lead from the position that the client named to this one. */
  readonly snapshot: JobRecord | null;
  /** What the client missed, oldest first; none where its position is the newest already. */
  readonly events: readonly JobEvent[];
}

/** Which tasks are followed together: those of a notebook, or all that the person may see. */
export type Target =
  | { readonly notebook: string }
  | { readonly parent: string }
  | { readonly all: true };

/** The answer to a target: how many tasks it has now, each of which is told after it. */
export interface Watching {
  readonly type: 'watching';
  readonly all: boolean;
  readonly tasks: number;
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

/** The answer to a page without a WebSocket that asks what has changed. */
export interface Changes {
  /** Where to go on. */
  readonly cursor: string;
  /** Whether it is all there is: a task that is not told of is gone. */
  readonly complete: boolean;
  readonly messages: readonly ServerMessage[];
}

export type ServerMessage =
  | Hello
  | JobEvent
  | Subscribed
  | Watching
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

/** A task id: 128 random bits as 32 lower-case hexadecimal digits. */
export const TASK_ID = /^[0-9a-f]{32}$/;

export function isTaskId(value: unknown): value is string {
  return typeof value === 'string' && TASK_ID.test(value);
}

export function isTerminal(status: Status): boolean {
  return isOneOf(TERMINAL_STATUSES, status);
}

export function isOneOf<T>(values: readonly T[], value: unknown): value is T {
  return (values as readonly unknown[]).includes(value);
}
