/** Streams one file of the server into one file of the person, across losses of either side. */

import type { Backoff } from '../backoff';
import { NEW_TRANSFER, TemporaryError, TransferError, type TransferState } from '../transfer';
import { LocalFile } from './local_file';
import {
  canContinue,
  localFailure,
  type Remote,
  readAnswer,
  requestHeaders,
  startOffset,
} from './plan';
import { newSha256 } from './sha256';
import { Watchdog } from './watchdog';

/** What of a save outlives the page. */
export interface SaveProgress {
  readonly remote: Remote;
  /** Bytes that are in the file for good. */
  readonly offset: number;
}

export interface SaveJob extends SaveProgress {
  readonly url: string;
  readonly handle: FileSystemFileHandle;
}

export interface Surroundings {
  /** Aborted with `'pause'` or `'cancel'` as its reason. */
  readonly signal: AbortSignal;
  readonly backoff: Backoff;
  /** What the page sends along: a hub takes no cookie of a `fetch` without the word against XSRF. */
  readonly headers: Readonly<Record<string, string>>;
  report(state: TransferState): void;
  keep(progress: SaveProgress): Promise<void>;
  /** Wait so many milliseconds, or less if there is reason to hope. */
  rest(milliseconds: number): Promise<void>;
  /** Whether the page may be about to go: what was written is then put into the file, once. */
  takeHint(): boolean;
}

/** Milliseconds between two reports. */
const REPORT_EVERY = 100;

/**
 * Run a save to its end, or to a pause.
 *
 * @returns The last state, which was reported too.
 */
export async function runSave(job: SaveJob, around: Surroundings): Promise<TransferState> {
  const save = new Saving(job, around);
  try {
    return await save.run();
  } catch (error) {
    if (around.signal.aborted) return save.stopped();
    return save.failed(localFailure(error) ?? new TransferError('refused', String(error)));
  }
}

class Saving {
  readonly #job: SaveJob;
  readonly #around: Surroundings;
  readonly #file: LocalFile;
  #hash = newSha256();
  #remote: Remote;
  #state: TransferState = NEW_TRANSFER;
  #reported = -REPORT_EVERY;

  constructor(job: SaveJob, around: Surroundings) {
    this.#job = job;
    this.#around = around;
    this.#remote = job.remote;
    this.#file = new LocalFile(job.handle);
  }

  async run(): Promise<TransferState> {
    const { signal } = this.#around;
    this.#report({ size: this.#remote.size });
    await this.#readAgain();
    let whole = this.#file.offset > 0 && this.#file.offset === this.#remote.size;
    while (!whole) {
      signal.throwIfAborted();
      try {
        await this.#receive();
        whole = true;
      } catch (error) {
        if (localFailure(error) !== null || signal.aborted) throw error;
        await this.#waitForBetter(error);
      }
    }
    return await this.#finish();
  }

  /** Paused or cancelled: the first keeps what it has. */
  async stopped(): Promise<TransferState> {
    if (this.#around.signal.reason === 'cancel') {
      await this.#file.discard();
      return this.#report({ status: 'paused' });
    }
    try {
      await this.#commit();
    } catch (error) {
      return this.failed(localFailure(error) ?? new TransferError('refused', String(error)));
    }
    return this.#report({ status: 'paused' });
  }

  async failed({ failure, detail }: TransferError): Promise<TransferState> {
    // What arrived before a failure of the server is worth keeping; after one of the disk it is gone.
    await this.#commit().catch(() => this.#file.discard());
    return this.#report({ status: 'failed', failure, detail, offset: this.#file.committed });
  }

  /** Hash what an earlier page has written: it must be ours still, to the last byte. */
  async #readAgain(): Promise<void> {
    const { signal } = this.#around;
    const found = await this.#job.handle.getFile();
    const offset = startOffset(found.size, this.#job.offset, this.#remote);
    this.#file.startAt(offset);
    if (offset === 0) return;
    const reader = found.stream().getReader();
    let read = 0;
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) break;
      this.#hash?.update(value);
      read += value.byteLength;
      this.#tell({ status: 'checking', offset: read });
    }
  }

  async #receive(): Promise<void> {
    if (!canContinue(this.#remote)) await this.#beginAgain();
    const watch = new Watchdog(this.#around.signal);
    try {
      const response = await fetch(this.#job.url, {
        headers: {
          ...requestHeaders(this.#file.offset, this.#remote),
          // Of a file that no export made the server knows no digest until it is asked for one.
          'Want-Repr-Digest': 'sha-256=1',
          ...this.#around.headers,
        },
        // Cookies alone, and never out of the browser's cache: the validators are ours.
        credentials: 'same-origin',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
        redirect: 'error',
        signal: watch.signal,
      });
      const answer = { status: response.status, get: (name: string) => response.headers.get(name) };
      const { from, remote } = readAnswer(answer, this.#file.offset, this.#remote);
      this.#remote = remote;
      if (from === 0 && this.#file.offset > 0) await this.#beginAgain();
      await this.#around.keep({ remote, offset: this.#file.committed });
      this.#report({ status: 'running', size: remote.size });
      await this.#write(response, watch);
    } finally {
      watch.end();
    }
  }

  async #write(response: Response, watch: Watchdog): Promise<void> {
    const reader = response.body?.getReader();
    if (!reader) throw new TransferError('refused');
    for (;;) {
      watch.alive();
      const { done, value } = await reader.read();
      if (done) break;
      const { size } = this.#remote;
      if (size !== null && this.#file.offset + value.byteLength > size) {
        throw new TransferError('changed');
      }
      this.#hash?.update(value);
      await this.#file.write(value);
      this.#around.backoff.reset();
      this.#tell({ status: 'running', offset: this.#file.offset });
      if (this.#around.takeHint() || this.#file.checkpointIsDue()) await this.#commit();
    }
    // A server that does not tell the length ends the file by ending its answer.
    if (this.#remote.size === null) this.#remote = { ...this.#remote, size: this.#file.offset };
    if (this.#file.offset < (this.#remote.size ?? 0)) throw new TypeError('the body was cut');
  }

  /** From the first byte: the server knows no ranges, or has no tag to hold on to. */
  async #beginAgain(): Promise<void> {
    this.#hash = newSha256();
    await this.#file.discard();
    this.#file.startAt(0);
  }

  async #waitForBetter(error: unknown): Promise<void> {
    const { backoff, rest } = this.#around;
    const temporary = error instanceof TemporaryError ? error : null;
    await this.#commit();
    const delay = backoff.next();
    if (delay === null) throw new TransferError(temporary?.failure ?? 'unreachable');
    this.#report({ status: 'waiting', attempt: backoff.attempt, tries: backoff.tries });
    await rest(Math.max(delay, Math.min(temporary?.after ?? 0, 60_000)));
  }

  async #finish(): Promise<TransferState> {
    await this.#commit();
    const { size, sha256: expected } = this.#remote;
    const found = await this.#job.handle.getFile();
    const digest = this.#hash?.digest();
    const verified = expected !== null && digest !== undefined;
    if (found.size !== size || (verified && digest !== expected)) {
      await this.#file.empty();
      await this.#around.keep({ remote: this.#remote, offset: 0 });
      throw new TransferError('damaged');
    }
    return this.#report({ status: 'done', offset: found.size, verified });
  }

  /** Put what was written into the file for good, and remember that it is there. */
  async #commit(): Promise<void> {
    if (!this.#file.isOpen) return;
    await this.#file.commit();
    await this.#around.keep({ remote: this.#remote, offset: this.#file.committed });
  }

  #tell(change: Partial<TransferState>): void {
    if (performance.now() - this.#reported >= REPORT_EVERY) this.#report(change);
  }

  #report(change: Partial<TransferState>): TransferState {
    this.#reported = performance.now();
    this.#state = {
      ...this.#state,
      failure: null,
      detail: '',
      offset: this.#file.offset,
      ...change,
    };
    this.#around.report(this.#state);
    return this.#state;
  }
}
