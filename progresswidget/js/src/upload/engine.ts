/** Sends one file to the server's `uploads/`, across losses of the line and of the server. */

import { sha256 } from '@noble/hashes/sha2.js';
import type { Backoff } from '../backoff';
import type { Server } from '../server';
import { NEW_TRANSFER, TemporaryError, TransferError, type TransferState } from '../transfer';
import {
  base64,
  ChunkSize,
  encodeMetadata,
  type FileMark,
  judge,
  PREFIX,
  readOffset,
  TUS_VERSION,
  type TusAnswer,
  type Verdict,
} from './plan';

export interface UploadJob {
  /** Names the wish, so that a creation whose answer was lost is not done twice. */
  readonly id: string;
  /** Where the upload is, once it was created. */
  readonly location: string | null;
  /** Below the server's root, with slashes. */
  readonly folder: string;
  /** The name that the file gets there. */
  readonly target: string;
  readonly overwrite: boolean;
  /** How often another wish was made of this one: a name that was taken, and another is not. */
  readonly attempt?: number;
}

export interface Surroundings {
  readonly server: Server;
  /** Aborted with `'pause'` or `'cancel'` as its reason. */
  readonly signal: AbortSignal;
  readonly backoff: Backoff;
  report(state: TransferState): void;
  keep(change: { location?: string | null; offset?: number }): Promise<void>;
  rest(milliseconds: number): Promise<void>;
}

/** Milliseconds without an answer after which a request is taken for dead. */
const SILENCE = 60_000;

/** Run an upload to its end, or to a pause. */
export async function runUpload(
  job: UploadJob,
  file: File,
  around: Surroundings,
): Promise<TransferState> {
  const sending = new Sending(job, file, around);
  try {
    return await sending.run();
  } catch (error) {
    if (around.signal.aborted) return await sending.stopped();
    return sending.failed(meaning(error));
  }
}

/** What tells a file from others. */
export async function markOf(file: File): Promise<FileMark> {
  const { name, size, lastModified } = file;
  const start = await file.slice(0, PREFIX).arrayBuffer();
  return { name, size, modified: lastModified, prefix: await digest(start) };
}

/** The native digest where the page has it: it is only there on secure addresses. */
async function digest(bytes: ArrayBuffer): Promise<string> {
  const native = globalThis.crypto?.subtle?.digest('SHA-256', bytes);
  return base64(native ? new Uint8Array(await native) : sha256(new Uint8Array(bytes)));
}

function meaning(error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  const name = error instanceof DOMException ? error.name : '';
  // How a browser says that a file is not the one that was picked: changed, or gone.
  if (name === 'NotReadableError') return new TransferError('otherFile');
  if (name === 'NotFoundError') return new TransferError('notPicked');
  if (name === 'NotAllowedError') return new TransferError('noPermission');
  return new TransferError('refused', String(error));
}

interface Chunk {
  readonly offset: number;
  readonly bytes: ArrayBuffer;
  readonly digest: string;
}

class Sending {
  readonly #job: UploadJob;
  readonly #file: File;
  readonly #around: Surroundings;
  readonly #chunk = new ChunkSize();
  #location: string | null;
  #state: TransferState;
  #offset = 0;
  /** The next piece, read and hashed while the one before is on its way. */
  #ahead: Promise<Chunk> | null = null;

  constructor(job: UploadJob, file: File, around: Surroundings) {
    this.#job = job;
    this.#file = file;
    this.#around = around;
    this.#location = job.location;
    this.#state = { ...NEW_TRANSFER, size: file.size };
  }

  async run(): Promise<TransferState> {
    this.#report({ status: 'starting' });
    let known = false;
    for (;;) {
      this.#around.signal.throwIfAborted();
      try {
        known = known ? known : await this.#locate();
        if (known && this.#offset === this.#file.size) break;
        if (known) known = await this.#send();
      } catch (error) {
        if (!(error instanceof TemporaryError) || this.#around.signal.aborted) throw error;
        await this.#waitForBetter(error);
        // Whatever went wrong, the server says how much it has.
        known = false;
      }
    }
    return this.#report({ status: 'done', verified: true });
  }

  async stopped(): Promise<TransferState> {
    await this.#around.keep({ offset: this.#offset });
    return this.#report({ status: 'paused' });
  }

  failed({ failure, detail }: TransferError): TransferState {
    return this.#report({ status: 'failed', failure, detail });
  }

  /** Find out where to go on; true when it is known. */
  async #locate(): Promise<boolean> {
    if (this.#location === null) return await this.#create();
    const answer = await this.#ask(this.#location, { method: 'HEAD' });
    if (this.#judge(answer) === 'lost') {
      this.#location = null;
      await this.#around.keep({ location: null, offset: 0 });
      return false;
    }
    return this.#take(answer);
  }

  async #create(): Promise<boolean> {
    const { id, folder, target, overwrite, attempt = 0 } = this.#job;
    const { server, keep } = this.#around;
    const answer = await this.#ask(`${server.base}uploads/`, {
      method: 'POST',
      headers: {
        'Upload-Length': String(this.#file.size),
        'Upload-Metadata': encodeMetadata({
          filename: target,
          path: folder,
          filetype: this.#file.type,
          ...(overwrite ? { overwrite: 'true' } : {}),
        }),
        'Idempotency-Key': `"${id}${attempt ? `-${attempt}` : ''}"`,
      },
    });
    const verdict = this.#judge(answer);
    if (verdict === 'smaller') throw new TransferError('tooLarge');
    const place = answer.get('Location');
    if (verdict !== 'accepted' || place === null)
      throw new TransferError('refused', answer.message);
    this.#location = new URL(place, `${server.base}uploads/`).href;
    await keep({ location: this.#location });
    return this.#take(answer);
  }

  /** Send one piece; false where the server has to be asked how far it is. */
  async #send(): Promise<boolean> {
    const { backoff, keep } = this.#around;
    const chunk = await this.#next();
    this.#ahead = this.#prepare(chunk.offset + chunk.bytes.byteLength);
    // Read for nothing where this piece fails: nobody waits for it then.
    this.#ahead.catch(() => undefined);
    this.#report({ status: 'running' });
    const started = performance.now();
    const answer = await this.#ask(this.#location ?? '', {
      method: 'PATCH',
      headers: {
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Offset': String(chunk.offset),
        'Upload-Checksum': `sha256 ${chunk.digest}`,
      },
      body: chunk.bytes,
    });
    const verdict = this.#judge(answer);
    if (verdict === 'smaller') {
      if (!this.#chunk.refuse()) throw new TransferError('tooLarge');
      this.#ahead = null;
      return true;
    }
    if (verdict !== 'accepted') return false;
    this.#chunk.passed(chunk.bytes.byteLength, performance.now() - started);
    backoff.reset();
    const taken = this.#take(answer);
    await keep({ offset: this.#offset });
    return taken;
  }

  async #next(): Promise<Chunk> {
    const ahead = await this.#ahead;
    this.#ahead = null;
    return ahead?.offset === this.#offset ? ahead : await this.#prepare(this.#offset);
  }

  async #prepare(offset: number): Promise<Chunk> {
    const bytes = await this.#file.slice(offset, offset + this.#chunk.bytes).arrayBuffer();
    return { offset, bytes, digest: await digest(bytes) };
  }

  #take(answer: TusAnswer): boolean {
    const offset = readOffset(answer, this.#file.size);
    // Something between us and the server answers in its place.
    if (offset === null) throw new TemporaryError('notReady');
    this.#offset = offset;
    this.#report({});
    return true;
  }

  #judge(answer: TusAnswer): Verdict {
    this.#around.signal.throwIfAborted();
    return judge(answer);
  }

  async #ask(url: string, init: RequestInit): Promise<TusAnswer> {
    const { server, signal } = this.#around;
    const silence = AbortSignal.timeout(SILENCE);
    const headers = { ...(init.headers as object), 'Tus-Resumable': TUS_VERSION };
    let response: Response;
    try {
      const either = AbortSignal.any([signal, silence]);
      response = await server.request(url, { ...init, headers, signal: either });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new TemporaryError('unreachable');
    }
    const { status } = response;
    const problem = response.ok ? {} : await problemOf(response);
    const { code = '', message = '' } = problem;
    return { status, code, message, get: (name) => response.headers.get(name) };
  }

  async #waitForBetter({ failure, after }: TemporaryError): Promise<void> {
    const { backoff, rest } = this.#around;
    this.#ahead = null;
    const delay = backoff.next();
    if (delay === null) throw new TransferError(failure);
    this.#report({ status: 'waiting', attempt: backoff.attempt, tries: backoff.tries });
    await rest(Math.max(delay, Math.min(after ?? 0, 60_000)));
  }

  #report(change: Partial<TransferState>): TransferState {
    const fresh = { failure: null, detail: '', offset: this.#offset };
    this.#state = { ...this.#state, ...fresh, ...change };
    this.#around.report(this.#state);
    return this.#state;
  }
}

/** Drop what the server has of an unfinished upload; what cannot be dropped now expires. */
export async function removeUpload(server: Server, location: string | null): Promise<void> {
  if (location === null) return;
  const headers = { 'Tus-Resumable': TUS_VERSION };
  await server.request(location, { method: 'DELETE', headers }).catch(() => undefined);
}

async function problemOf(response: Response): Promise<{ code?: string; message?: string }> {
  try {
    const { code, message } = (await response.json()) as { code?: unknown; message?: unknown };
    return {
      code: typeof code === 'string' ? code : '',
      message: typeof message === 'string' ? message : '',
    };
  } catch {
    return {};
  }
}
