/** What a resumable save does next: decisions over values. */

import { isTemporary, retryAfter, TemporaryError, TransferError } from '../transfer';

/** What is known of the file on the server; null before its first answer. */
export interface Remote {
  readonly etag: string | null;
  readonly size: number | null;
  /** Lower-case hexadecimal sha-256 of the whole. */
  readonly sha256: string | null;
}

export const UNKNOWN_REMOTE: Remote = { etag: null, size: null, sha256: null };

/** Without a strong tag nothing proves that the rest belongs to what is there (RFC 9110 §13.1.5). */
export function canContinue({ etag }: Remote): boolean {
  return etag !== null && !etag.startsWith('W/');
}

/**
 * Where to go on in a local file.
 *
 * @param length Bytes that the file has now.
 * @param kept Bytes that we know to have written.
 */
export function startOffset(length: number, kept: number, remote: Remote): number {
  const { size } = remote;
  if (!canContinue(remote)) return 0;
  // Shorter than what was written, or longer than the whole: somebody else's bytes.
  if (length < kept || (size !== null && length > size)) return 0;
  return length;
}

/** The header fields of the request for the rest. */
export function requestHeaders(offset: number, { etag }: Remote): Record<string, string> {
  if (offset === 0) return {};
  return { Range: `bytes=${offset}-`, ...(etag === null ? {} : { 'If-Range': etag }) };
}

export interface Answer {
  readonly status: number;
  get(field: string): string | null;
}

/** Where in the file the body of an answer begins, and what the answer says of the whole. */
export interface Body {
  readonly from: number;
  readonly remote: Remote;
}

/**
 * Read the answer to a request for the bytes from `offset` on.
 *
 * @throws TransferError where the bytes cannot be had, TemporaryError where they may come later.
 */
export function readAnswer(answer: Answer, offset: number, known: Remote): Body {
  const { status } = answer;
  if (status === 200) return { from: 0, remote: sameRemote(wholeOf(answer), known) };
  if (status === 206) {
    const range = contentRange(answer.get('Content-Range'));
    if (range?.first !== offset) throw new TransferError('changed');
    const told = { ...wholeOf(answer), size: range.size ?? known.size };
    return { from: offset, remote: sameRemote(told, known) };
  }
  if (isTemporary(status)) {
    const failure = status === 503 ? 'notReady' : 'refused';
    throw new TemporaryError(failure, retryAfter(answer.get('Retry-After')));
  }
  throw new TransferError(FAILURES[status] ?? 'refused');
}

const FAILURES: Readonly<Record<number, TransferError['failure']>> = {
  401: 'login',
  403: 'forbidden',
  404: 'missing',
  409: 'conflict',
  410: 'gone',
  412: 'changed',
  416: 'changed',
};

function wholeOf(answer: Answer): Remote {
  const length = answer.get('Content-Length');
  return {
    etag: answer.get('ETag'),
    size: length !== null && /^\d+$/.test(length) ? Number(length) : null,
    sha256: reprDigest(answer.get('Repr-Digest')),
  };
}

/** An address is one byte string for ever; whoever answers with another has another file. */
function sameRemote(told: Remote, known: Remote): Remote {
  const differs = (one: unknown, other: unknown) => one !== null && other !== null && one !== other;
  if (
    differs(told.etag, known.etag) ||
    differs(told.size, known.size) ||
    differs(told.sha256, known.sha256)
  ) {
    throw new TransferError('changed');
  }
  return {
    etag: told.etag ?? known.etag,
    size: told.size ?? known.size,
    sha256: told.sha256 ?? known.sha256,
  };
}

/** `Content-Range: bytes 5-9/10` (RFC 9110 section 14.4). */
export function contentRange(value: string | null): { first: number; size: number | null } | null {
  const found = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(value?.trim() ?? '');
  if (!found) return null;
  return { first: Number(found[1]), size: found[3] === '*' ? null : Number(found[3]) };
}

/** The sha-256 of a `Repr-Digest` field (RFC 9530 section 3), in hexadecimal. */
export function reprDigest(value: string | null): string | null {
  const found = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(value ?? '');
  if (!found?.[1]) return null;
  return Array.from(atob(found[1]), (char) =>
    char.charCodeAt(0).toString(16).padStart(2, '0'),
  ).join('');
}

/** Milliseconds of work that a browser killed at its worst moment may cost. */
const CHECKPOINT_EVERY = 5_000;
/** What checkpoints may take of the time: a tenth. */
const CHECKPOINT_SHARE = 9;

/**
 * Whether to put what was written into the file for good.
 *
 * A writable of the File System Access API collects in a file beside the real one, which it
 * replaces when it is closed; to go on, the browser copies the real one first. That grows with
 * the file, so the time since the last checkpoint has to grow with what the last one took.
 */
export function checkpointIsDue(elapsed: number, lastCost: number): boolean {
  return elapsed >= Math.max(CHECKPOINT_EVERY, CHECKPOINT_SHARE * lastCost);
}

/** What an exception of the file system means. */
export function localFailure(error: unknown): TransferError | null {
  if (error instanceof TransferError) return error;
  const name = error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'QuotaExceededError':
      return new TransferError('diskFull');
    case 'NotAllowedError':
    case 'SecurityError':
    case 'NoModificationAllowedError':
      return new TransferError('noPermission');
    case 'NotFoundError':
      return new TransferError('localGone');
    default:
      return null;
  }
}
