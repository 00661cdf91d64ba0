/** How far the transfer of one file is, in either direction: values alone, no clock, no network. */

/** Why a transfer stands still; each has its sentence in `i18n`. */
export const TRANSFER_FAILURES = [
  'unreachable',
  'login',
  'forbidden',
  'missing',
  'conflict',
  'gone',
  'changed',
  'notReady',
  'refused',
  'diskFull',
  'noPermission',
  'localGone',
  'damaged',
  'elsewhere',
  'tooLarge',
  'serverFull',
  'quota',
  'exists',
  'otherFile',
  'notPicked',
] as const;

export type TransferFailure = (typeof TRANSFER_FAILURES)[number];

/** What stops an upload alone: said in `i18n/lab`, for only JupyterLab has uploads in the page. */
export type UploadFailure =
  | 'tooLarge'
  | 'serverFull'
  | 'quota'
  | 'exists'
  | 'otherFile'
  | 'notPicked';

export type TransferStatus =
  /** Behind other files. */
  | 'queued'
  /** Asking the server. */
  | 'starting'
  /** Reading again what is there already. */
  | 'checking'
  | 'running'
  /** Before another try. */
  | 'waiting'
  | 'paused'
  | 'failed'
  | 'done';

export interface TransferState {
  readonly status: TransferStatus;
  /** Bytes that have arrived, or that were read again while `checking`. */
  readonly offset: number;
  /** Null until the server has told it. */
  readonly size: number | null;
  /** Which try comes next, while `waiting`. */
  readonly attempt: number;
  readonly tries: number;
  readonly failure: TransferFailure | null;
  /** What the server itself says of the failure. */
  readonly detail: string;
  /** Whether the digest of what arrived was compared, and agreed. */
  readonly verified: boolean;
}

export const NEW_TRANSFER: TransferState = {
  status: 'starting',
  offset: 0,
  size: null,
  attempt: 0,
  tries: 0,
  failure: null,
  detail: '',
  verified: false,
};

/** Going on by itself: nothing is asked of the person. */
export function isMoving({ status }: TransferState): boolean {
  return status !== 'paused' && status !== 'failed' && status !== 'done';
}

/** Failures after which the same bytes may still come; of any other only the beginning is left. */
const LASTING: ReadonlySet<TransferFailure> = new Set([
  'missing',
  'gone',
  'changed',
  'localGone',
  'damaged',
  'tooLarge',
  'exists',
]);

export function canResume({ status, failure }: TransferState): boolean {
  return status === 'paused' || (status === 'failed' && !(failure && LASTING.has(failure)));
}

/** Thrown where a transfer cannot go on. */
export class TransferError extends Error {
  override readonly name = 'TransferError';

  constructor(
    readonly failure: TransferFailure,
    readonly detail = '',
  ) {
    super(detail || failure);
  }
}

/** An answer that is worth another try, and the time that the server asks for. */
export class TemporaryError extends Error {
  override readonly name = 'TemporaryError';

  constructor(
    readonly failure: TransferFailure,
    /** Milliseconds, or null where the server says nothing. */
    readonly after: number | null = null,
  ) {
    super(failure);
  }
}

/** Status codes that another try may turn (RFC 9110 section 15.6, RFC 6585 section 4). */
export function isTemporary(status: number): boolean {
  return status === 408 || status === 423 || status === 429 || (status >= 500 && status !== 507);
}

/** Milliseconds of a `Retry-After` in seconds (RFC 9110 section 10.2.3); a date says nothing here. */
export function retryAfter(value: string | null): number | null {
  return value !== null && /^\d{1,5}$/.test(value.trim()) ? Number(value) * 1000 : null;
}

const WINDOW = 4_000;

/** Bytes a second over the last few seconds. */
export class Meter {
  #samples: { readonly time: number; readonly bytes: number }[] = [];

  /**
   * Note a position and say the rate, null while it is not known.
   *
   * @param time Milliseconds, monotone.
   */
  note(time: number, bytes: number): number | null {
    const last = this.#samples.at(-1);
    if (last && bytes < last.bytes) this.reset();
    this.#samples.push({ time, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.time ?? time) < time - WINDOW) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    if (!first || time - first.time < 500) return null;
    return ((bytes - first.bytes) / (time - first.time)) * 1000;
  }

  reset(): void {
    this.#samples = [];
  }
}
