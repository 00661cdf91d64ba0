/** What a resumable upload does next (tus 1.0.0): decisions over values. */

import { isTemporary, retryAfter, TemporaryError, TransferError } from '../transfer';

export const TUS_VERSION = '1.0.0';

/** Bytes of one request: proxies limit bodies, and what is lost with a connection is sent again. */
export const LARGEST_CHUNK = 8 * 1024 * 1024;
const SMALLEST_CHUNK = 64 * 1024;
const FIRST_CHUNK = 1024 * 1024;
/** Milliseconds that a request should take: so often the bar moves. */
const CHUNK_TIME = 800;

/** The size of the requests, by how the last ones went. */
export class ChunkSize {
  #bytes = FIRST_CHUNK;
  #limit = LARGEST_CHUNK;

  get bytes(): number {
    return this.#bytes;
  }

  /** A request went through. */
  passed(bytes: number, milliseconds: number): void {
    const aim = (bytes / Math.max(milliseconds, 1)) * CHUNK_TIME;
    // Doubled or halved at most: one slow answer says little.
    const next = Math.min(Math.max(aim, this.#bytes / 2), this.#bytes * 2);
    this.#bytes = Math.round(Math.min(Math.max(next, SMALLEST_CHUNK), this.#limit));
  }

  /** A proxy calls a request too large; false where there is no smaller one. */
  refuse(): boolean {
    if (this.#bytes <= SMALLEST_CHUNK) return false;
    this.#bytes = this.#limit = Math.max(SMALLEST_CHUNK, Math.floor(this.#bytes / 2));
    return true;
  }
}

/** `Upload-Metadata`: keys with values in Base64 of UTF-8. */
export function encodeMetadata(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${base64(new TextEncoder().encode(value))}`)
    .join(',');
}

export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

export interface TusAnswer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  get(field: string): string | null;
}

/** `ask`: the server knows better where to go on. `lost`: it knows the upload no more. */
export type Verdict = 'accepted' | 'ask' | 'lost' | 'smaller';

/**
 * Judge an answer.
 *
 * @throws TransferError where the upload ends, TemporaryError where another try may fare better.
 */
export function judge(answer: TusAnswer): Verdict {
  const { status, code, message } = answer;
  if (status >= 200 && status < 300) return 'accepted';
  switch (status) {
    case 401:
      throw new TransferError('login');
    case 404:
    case 410:
      return 'lost';
    case 409:
      if (code === 'offset-conflict') return 'ask';
      if (code === 'target-exists') throw new TransferError('exists');
      // Somebody else goes on with it: to fight over it would help neither.
      if (code === 'upload-taken-over') throw new TransferError('conflict');
      throw new TransferError('refused', message);
    case 413:
      return 'smaller';
    case 460:
      throw new TemporaryError('refused');
    case 507:
      throw new TransferError(code === 'quota-exceeded' ? 'quota' : 'serverFull');
  }
  if (status === 403 && code === '') throw new TransferError('forbidden');
  if (isTemporary(status)) {
    throw new TemporaryError('notReady', retryAfter(answer.get('Retry-After')));
  }
  throw new TransferError(
    status === 403 && code === 'forbidden' ? 'forbidden' : 'refused',
    message,
  );
}

/** The `Upload-Offset` of an answer, or null where it tells none that can be. */
export function readOffset(answer: TusAnswer, size: number): number | null {
  const value = answer.get('Upload-Offset');
  if (value === null || !/^\d{1,15}$/.test(value)) return null;
  const offset = Number(value);
  return offset <= size ? offset : null;
}

/** `data (1).tar.gz` for `data.tar.gz`, or the first number that is not taken either. */
export function freeName(name: string, taken: { has(name: string): boolean }): string {
  const [, stem = name, ending = ''] = /^(.+?)((?:\.tar)?\.[^.]+)?$/.exec(name) ?? [];
  let free = name;
  for (let number = 1; taken.has(free); number += 1) free = `${stem} (${number})${ending}`;
  return free;
}

/** What tells a file from others of its name; a path is not to be had. */
export interface FileMark {
  readonly name: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** sha-256 of the first bytes, in Base64; an empty text while none was read. */
  readonly prefix: string;
}

/** Bytes of the beginning that are compared. */
export const PREFIX = 256 * 1024;

/** Whether a file is the one that was begun, which may be known by less. */
export function isSameFile(one: FileMark, other: FileMark): boolean {
  return (
    one.name === other.name &&
    one.size === other.size &&
    one.modified === other.modified &&
    (one.prefix === '' || one.prefix === other.prefix)
  );
}
