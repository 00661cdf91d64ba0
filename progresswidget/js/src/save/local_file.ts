/** The file of the person: written in blocks, put in place by checkpoints. */

import { checkpointIsDue } from './plan';

/** Bytes that are written at once: each write is a message to another process. */
const BLOCK = 4 * 1024 * 1024;

export class LocalFile {
  readonly #handle: FileSystemFileHandle;
  /** One is filled and hashed while the other is on its way to the file. */
  #block = new Uint8Array(BLOCK);
  #other = new Uint8Array(BLOCK);
  #used = 0;
  #writing: Promise<void> = Promise.resolve();
  #writable: FileSystemWritableFileStream | null = null;
  /** Bytes that are in the file for good. */
  committed = 0;
  /** Bytes that were taken, in the file or on their way. */
  offset = 0;
  #openedAt = 0;
  #lastCost = 0;

  constructor(handle: FileSystemFileHandle) {
    this.#handle = handle;
  }

  get isOpen(): boolean {
    return this.#writable !== null;
  }

  /** Go on behind the first `offset` bytes of what is there; from 0 it is a new file. */
  startAt(offset: number): void {
    this.offset = this.committed = offset;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.offset += bytes.byteLength;
    let rest = bytes;
    while (rest.byteLength > 0) {
      const part = rest.subarray(0, BLOCK - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.byteLength;
      rest = rest.subarray(part.byteLength);
      if (this.#used === BLOCK) await this.#flush();
    }
    // An open file is what a checkpoint looks for.
    await this.#open();
  }

  checkpointIsDue(): boolean {
    return checkpointIsDue(performance.now() - this.#openedAt, this.#lastCost);
  }

  async commit(): Promise<void> {
    const started = performance.now();
    await this.#flush();
    const writable = await this.#open();
    await this.#writing;
    this.#writable = null;
    await writable.close();
    this.committed = this.offset;
    this.#lastCost = performance.now() - started;
  }

  /** Forget what is not committed. */
  async discard(): Promise<void> {
    const writable = this.#writable;
    this.#writable = null;
    this.#used = 0;
    this.offset = this.committed;
    // An errored stream has nothing more to abort.
    await writable?.abort().catch(() => undefined);
    await this.#writing.catch(() => undefined);
    this.#writing = Promise.resolve();
  }

  async empty(): Promise<void> {
    await this.discard();
    const writable = await this.#handle.createWritable({ keepExistingData: false });
    await writable.close();
    this.offset = this.committed = 0;
  }

  async #open(): Promise<FileSystemWritableFileStream> {
    if (this.#writable) return this.#writable;
    const started = performance.now();
    const keepExistingData = this.committed > 0;
    const writable = await this.#handle.createWritable({ keepExistingData });
    if (keepExistingData) {
      await writable.truncate(this.committed);
      await writable.seek(this.committed);
    }
    // The copy that the browser makes here is most of what a checkpoint costs.
    this.#openedAt = performance.now();
    this.#lastCost += this.#openedAt - started;
    this.#writable = writable;
    return writable;
  }

  /** Begin to write the block; waits for the one before, and raises what became of it. */
  async #flush(): Promise<void> {
    const writable = await this.#open();
    await this.#writing;
    if (this.#used === 0) return;
    const full = this.#block.subarray(0, this.#used);
    [this.#block, this.#other] = [this.#other, this.#block];
    this.#used = 0;
    this.#writing = writable.write(full);
    this.#writing.catch(() => undefined); // raised where it is waited for
  }
}
