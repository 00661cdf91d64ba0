/** The uploads of a page, those included that an earlier page has begun. */

import { Backoff } from '../backoff';
import { amend, drop, type Kept, keep, recall, recallAll } from '../kept';
import { isPermitted, requestAccess } from '../save/file_access';
import type { Server } from '../server';
import {
  canResume,
  isMoving,
  NEW_TRANSFER,
  type TransferFailure,
  type TransferState,
} from '../transfer';
import { markOf, removeUpload, runUpload, type UploadJob } from './engine';
import { type FileMark, freeName, isSameFile } from './plan';

/** An upload as it is kept for the next page. */
interface UploadEntry extends UploadJob, FileMark, Kept {
  readonly base: string;
  readonly handle: FileSystemFileHandle | null;
  readonly offset: number;
  /** The person has stopped it: it does not go on by itself. */
  readonly paused: boolean;
}

/** A file to send, with a handle where the browser gave one. */
export interface Picked {
  readonly file: File;
  readonly handle: FileSystemFileHandle | null;
}

export interface Hosts {
  readonly server: Server;
  /** Let the person pick the file of an earlier page again; null where they do not. */
  pickAgain(name: string): Promise<Picked | null>;
  /** Ask what becomes of a file that is there; null where the person thinks better of it. */
  askAboutTaken(name: string): Promise<'replace' | 'both' | null>;
  /** The names that are in a folder of the server now. */
  namesIn(folder: string): Promise<ReadonlySet<string>>;
  /** A file is in a folder of the server. */
  arrived(folder: string): void;
}

/** Files that are sent at the same time; the others wait their turn. */
const AT_ONCE = 2;

export class Uploads {
  readonly hosts: Hosts;
  readonly #all: Upload[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(hosts: Hosts) {
    this.hosts = hosts;
  }

  get all(): readonly Upload[] {
    return this.#all;
  }

  /** Hear of uploads that come and go, until the signal aborts. */
  follow(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    listener();
  }

  /** Show again what an earlier page has begun, and go on where nobody has to be asked. */
  async recall(): Promise<void> {
    const held = new Set((await navigator.locks?.query())?.held?.map(({ name }) => name));
    for (const entry of await recallAll<UploadEntry>('uploads')) {
      const other = entry.base !== this.hosts.server.base || held.has(lockName(entry.id));
      if (!other) await this.#add(new Upload(this, entry, null)).goOn();
    }
  }

  /** Send files, in the place of those that arrived before; where a name is taken, ask first. */
  async add(files: readonly Picked[], folder: string): Promise<void> {
    for (const { state, dismiss } of [...this.#all]) if (state.status === 'done') void dismiss();
    const there = await this.hosts.namesIn(folder);
    for (const picked of files) {
      const { name } = picked.file;
      if (there.has(name)) await this.addTaken(picked, folder, name, there);
      else await this.#send(picked, folder, name, false);
    }
  }

  /** Send a file whose name is taken: in the other's place, under another name, or not at all. */
  async addTaken(
    picked: Picked,
    folder: string,
    name: string,
    there: ReadonlySet<string>,
  ): Promise<boolean> {
    const choice = await this.hosts.askAboutTaken(name);
    if (choice === 'replace') await this.#send(picked, folder, name, true);
    else if (choice === 'both') await this.#send(picked, folder, freeName(name, there), false);
    return choice !== null;
  }

  async #send({ file, handle }: Picked, folder: string, target: string, overwrite: boolean) {
    const entry: UploadEntry = {
      ...(await markOf(file)),
      id: randomId(),
      base: this.hosts.server.base,
      location: null,
      folder,
      target,
      overwrite,
      handle,
      offset: 0,
      paused: false,
      created: Date.now(),
      updated: Date.now(),
    };
    await keep('uploads', entry);
    this.#add(new Upload(this, entry, file));
    this.startNext();
  }

  startNext(): void {
    const running = this.#all.filter(({ isRunning }) => isRunning).length;
    const waiting = this.#all.filter(({ state }) => state.status === 'queued');
    for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - running))) upload.start();
  }

  remove(upload: Upload): void {
    const index = this.#all.indexOf(upload);
    if (index >= 0) this.#all.splice(index, 1);
    this.#tell();
    this.startNext();
  }

  #add(upload: Upload): Upload {
    this.#all.push(upload);
    this.#tell();
    return upload;
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

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

  constructor(uploads: Uploads, entry: UploadEntry, file: File | null) {
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
    else this.#stop('failed', 'noPermission');
  };

  readonly pause = async (): Promise<void> => {
    if (!isMoving(this.#state)) return;
    await amend('uploads', this.id, { paused: true });
    if (this.#stopping) this.#stopping.abort('pause');
    else this.#stop('paused', null);
  };

  /** Stop for good; the server forgets what it has. */
  readonly cancel = async (): Promise<void> => {
    this.#stopping?.abort('cancel');
    await this.#running;
    const entry = await recall<UploadEntry>('uploads', this.id);
    if (entry) await removeUpload(this.#uploads.hosts.server, entry.location);
    await this.dismiss();
  };

  readonly dismiss = async (): Promise<void> => {
    this.#living.abort();
    this.#uploads.remove(this);
    await drop('uploads', this.id);
  };

  /** Once more from the first byte, where the name was taken. */
  readonly again = async (): Promise<void> => {
    const { hosts } = this.#uploads;
    const file = this.#file;
    if (this.#state.failure !== 'exists' || !file) return;
    const { folder, handle } = this.#entry;
    const there = await hosts.namesIn(folder);
    if (await this.#uploads.addTaken({ file, handle }, folder, this.name, there)) {
      await this.dismiss();
    }
  };

  start(): void {
    if (this.isRunning) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.#uploads.startNext();
    });
  }

  async #run(): Promise<void> {
    const file = this.#file;
    const entry = (await recall<UploadEntry>('uploads', this.id)) ?? this.#entry;
    if (!file || !isMoving(this.#state)) return;
    this.#entry = entry;
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    const around = {
      server: this.#uploads.hosts.server,
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
    this.#uploads.hosts.arrived(entry.folder);
  }

  async #read(handle: FileSystemFileHandle): Promise<void> {
    try {
      await this.#use({ file: await handle.getFile(), handle });
    } catch {
      this.#forgetFile();
      this.#stop('paused', 'notPicked');
    }
  }

  async #pickAgain(): Promise<void> {
    const picked = await this.#uploads.hosts.pickAgain(this.#entry.name);
    if (picked) await this.#use(picked);
  }

  /** Go on with a file, if it is the one that was begun. */
  async #use({ file, handle }: Picked): Promise<void> {
    if (!isSameFile(this.#entry, await markOf(file))) {
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

const lockName = (id: string) => `progresswidget ${id}`;

/** One page at a time; where the browser has no locks, the server sees to it. */
async function exclusively(id: string, run: () => Promise<unknown>): Promise<boolean> {
  if (!navigator.locks) {
    await run();
    return true;
  }
  return await navigator.locks.request(lockName(id), { ifAvailable: true }, async (lock) => {
    if (lock) await run();
    return lock !== null;
  });
}

/** 128 random bits; `crypto.randomUUID` is there on secure addresses only. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
