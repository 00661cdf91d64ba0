/** One file on its way to the server: its state, and what a person asks of it. */

import { Backoff } from '../backoff';
import { amend, drop, recall } from '../kept';
import { isPermitted, requestAccess } from '../save/file_access';
import {
  canResume,
  isMoving,
  NEW_TRANSFER,
  type TransferFailure,
  type TransferState,
} from '../transfer';
import { markOf, removeUpload, runUpload } from './engine';
import type { UploadEntry } from './entry';
import type { UploadGroup } from './group';
import { exclusively } from './locks';
import { freeName, isSameFile } from './plan';
import type { Picked } from './tree';
import type { Uploads } from './uploads';

export class Upload {
  readonly direction = 'upload';
  readonly #uploads: Uploads;
  readonly #listeners = new Set<(state: TransferState) => void>();
  readonly #living = new AbortController();
  #entry: UploadEntry;
  #file: File | null;
  #state: TransferState;
  #stopping: AbortController | null = null;
  #running: Promise<void> | null = null;
  #wake: (() => void) | null = null;

  constructor(
    uploads: Uploads,
    entry: UploadEntry,
    file: File | null,
    readonly group?: UploadGroup,
  ) {
    this.#uploads = uploads;
    this.#entry = entry;
    this.#file = file;
    const { size, offset } = entry;
    const status = file ? 'queued' : 'paused';
    this.#state = { ...NEW_TRANSFER, status, size, offset };
    const { signal } = this.#living;
    window.addEventListener('online', () => this.#onOnline(), { signal });
  }

  get id(): string {
    return this.#entry.id;
  }

  /** The name that the file gets on the server. */
  get name(): string {
    return this.#entry.target;
  }

  /** Where it is in the folder that it is a part of. */
  get source(): string {
    return this.#entry.source ?? this.name;
  }

  /** Whether it has to be picked again: it is of an earlier page, and there is no handle. */
  get isWithoutFile(): boolean {
    return this.#file === null && this.#entry.handle === null;
  }

  get state(): TransferState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  follow(listener: (state: TransferState) => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    listener(this.#state);
  }

  /** Of an earlier page: find the file, and go on unless the person has to be asked. */
  async goOn(): Promise<void> {
    const { handle, paused } = this.#entry;
    if (handle === null) {
      this.#stop('paused', 'notPicked');
      return;
    }
    if (paused || !(await isPermitted(handle, 'read'))) return;
    await this.#read(handle);
  }

  /** Go on after a pause, a failure or a reload. Needs a click, if the browser wants to ask. */
  readonly resume = async (): Promise<void> => {
    if (!canResume(this.#state) || this.isRunning) return;
    await amend('uploads', this.id, { paused: false });
    const { handle } = this.#entry;
    if (this.#file) this.#queue();
    else if (handle === null) await this.#pickAgain();
    else if (await requestAccess(handle, 'read')) await this.#read(handle);
    else this.forbid();
  };

  readonly pause = async (): Promise<void> => {
    if (!isMoving(this.#state)) return;
    await amend('uploads', this.id, { paused: true });
    if (this.#stopping) this.#stopping.abort('pause');
    else this.#stop('paused', null);
  };

  /** Stop for good; the server forgets what it has. */
  readonly cancel = async (): Promise<void> => {
    await this.halt();
    await this.dismiss();
  };

  async halt(): Promise<void> {
    this.#stopping?.abort('cancel');
    await this.#running;
    const entry = await recall<UploadEntry>('uploads', this.id);
    if (entry) await removeUpload(this.#uploads.host.server, entry.location);
  }

  /** The person does not let this page read the file. */
  forbid(): void {
    this.#stop('failed', 'noPermission');
  }

  /** Hear of nothing any more. */
  end(): void {
    this.#living.abort();
  }

  readonly dismiss = async (): Promise<void> => {
    this.end();
    this.#uploads.remove(this);
    await drop('uploads', this.id);
  };

  /** Once more from the first byte, where the name was taken. */
  readonly again = async (): Promise<void> => {
    const { host } = this.#uploads;
    const file = this.#file;
    if (this.#state.failure !== 'exists' || !file) return;
    const { folder, handle } = this.#entry;
    const there = await host.namesIn(folder);
    if (await this.#uploads.addTaken({ file, handle }, folder, this.name, there)) {
      await this.dismiss();
    }
  };

  /** Once more, over the file that has taken the name, or beside it. */
  async retarget(choice: 'replace' | 'both'): Promise<void> {
    const { folder, target, location, attempt = 0 } = this.#entry;
    const name =
      choice === 'both' ? freeName(target, await this.#uploads.host.namesIn(folder)) : target;
    const change = { target: name, overwrite: choice === 'replace', location: null, offset: 0 };
    await removeUpload(this.#uploads.host.server, location);
    this.#entry = { ...this.#entry, ...change, attempt: attempt + 1 };
    await amend('uploads', this.id, { ...change, attempt: attempt + 1 });
    this.#set({ ...this.#state, offset: 0 });
    this.#queue();
  }

  start(): void {
    if (this.isRunning) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.#uploads.startNext();
    });
  }

  async #run(): Promise<void> {
    const file = this.#file;
    let entry = (await recall<UploadEntry>('uploads', this.id)) ?? this.#entry;
    if (!file || !isMoving(this.#state)) return;
    if (entry.prefix === '') entry = await this.#marked(entry, file);
    this.#entry = entry;
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    const around = {
      server: this.#uploads.host.server,
      signal,
      backoff: new Backoff(),
      report: (state: TransferState) => this.#set(state),
      keep: (change: object) => amend('uploads', this.id, change),
      rest: (milliseconds: number) => this.#rest(milliseconds, signal),
    };
    const ran = await exclusively(this.id, () => runUpload(entry, file, around));
    this.#stopping = null;
    if (!ran) this.#stop('failed', 'elsewhere');
    const { status, failure } = this.#state;
    // Not the file that was picked any more: the next try has to find it anew.
    if (failure === 'otherFile' || failure === 'notPicked') this.#forgetFile();
    if (status !== 'done') return;
    await drop('uploads', this.id);
    this.#uploads.host.arrived(entry.folder);
  }

  /** With the mark of the file's beginning; where it cannot be read, sending it will say so. */
  async #marked(entry: UploadEntry, file: File): Promise<UploadEntry> {
    const mark = await markOf(file).catch(() => null);
    if (mark) await amend('uploads', this.id, mark);
    return { ...entry, ...mark };
  }

  async #read(handle: FileSystemFileHandle): Promise<void> {
    try {
      await this.use({ file: await handle.getFile(), handle });
    } catch {
      this.#forgetFile();
      this.#stop('paused', 'notPicked');
    }
  }

  async #pickAgain(): Promise<void> {
    const picked = await this.#uploads.host.pickAgain(this.#entry.name);
    if (picked) await this.use(picked);
  }

  /** Go on with a file, if it is the one that was begun. */
  async use({ file, handle }: Picked): Promise<void> {
    // What was never begun is known by its name, its size and its time alone.
    const { name, size, lastModified: modified } = file;
    const known = this.#entry.prefix !== '';
    const mark = known ? await markOf(file) : { name, size, modified, prefix: '' };
    if (!isSameFile(this.#entry, mark)) {
      this.#forgetFile();
      this.#stop('failed', 'otherFile');
      return;
    }
    this.#file = file;
    this.#entry = { ...this.#entry, handle };
    await amend('uploads', this.id, { handle });
    this.#queue();
  }

  #forgetFile(): void {
    this.#file = null;
    this.#entry = { ...this.#entry, handle: null };
  }

  #queue(): void {
    this.#set({ ...this.#state, status: 'queued', failure: null });
    this.#uploads.startNext();
  }

  #stop(status: 'paused' | 'failed', failure: TransferFailure | null): void {
    this.#set({ ...this.#state, status, failure });
  }

  #onOnline(): void {
    if (this.#state.failure === 'unreachable') void this.resume();
    else this.#wake?.();
  }

  #rest(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', this.#wake, { once: true });
    });
  }

  #set(state: TransferState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
