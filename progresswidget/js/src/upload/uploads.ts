/** The uploads of a page, those included that an earlier page has begun. */

import { Backoff } from '../backoff';
import { amend, drop, dropAll, type Kept, keep, keepAll, recall, recallAll } from '../kept';
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
import { type GroupMark, UploadGroup } from './group';
import { type FileMark, freeName, isSameFile, lockName } from './plan';
import {
  asNew,
  type Branch,
  compare,
  countTaken,
  joined,
  type Listing,
  type Picked,
  type Placed,
  place,
} from './tree';

/** An upload as it is kept for the next page. */
interface UploadEntry extends UploadJob, FileMark, Kept {
  readonly base: string;
  readonly handle: FileSystemFileHandle | null;
  readonly offset: number;
  /** The person has stopped it: it does not go on by itself. */
  readonly paused: boolean;
  /** The folder that it is a part of, and its path there. */
  readonly group?: GroupMark;
  readonly source?: string;
}

/** A dropped folder, and how much of it was not taken along. */
export interface PickedFolder {
  readonly branch: Branch;
  readonly leftOut: number;
  readonly handle: FileSystemDirectoryHandle | null;
}

export type Choice = 'replace' | 'both' | null;

export interface Hosts {
  readonly server: Server;
  /** Let the person pick the file of an earlier page again; null where they do not. */
  pickAgain(name: string): Promise<Picked | null>;
  /** Ask what becomes of a file that is there; null where the person thinks better of it. */
  askAboutTaken(name: string): Promise<Choice>;
  /** The same of a folder, of which so many files are there; asked once for all of them. */
  askAboutFolder(name: string, count: number): Promise<Choice>;
  /** Let the person pick a folder again: its files by their paths; null where they do not. */
  pickFolderAgain(name: string): Promise<ReadonlyMap<string, File> | null>;
  /** What is in a folder of the server now. */
  namesIn(folder: string): Promise<Listing>;
  /** Make a folder on the server, whose parent is there. */
  makeFolder(path: string): Promise<void>;
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

  /** What has a bar of its own: a folder, or a file that is in none. */
  get all(): readonly (Upload | UploadGroup)[] {
    return [...new Set(this.#all.map((upload) => upload.group ?? upload))];
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
    const groups = new Map<string, UploadGroup>();
    const found: Upload[] = [];
    for (const entry of await recallAll<UploadEntry>('uploads')) {
      const mark = entry.group;
      const isHeld = [entry.id, mark?.id ?? entry.id].some((id) => held.has(lockName(id)));
      if (entry.base !== this.hosts.server.base || isHeld) continue;
      if (mark && !groups.has(mark.id)) groups.set(mark.id, new UploadGroup(this, mark));
      found.push(new Upload(this, entry, null, mark ? groups.get(mark.id) : undefined));
    }
    for (const group of groups.values()) {
      group.take(found.filter((upload) => upload.group === group));
    }
    this.#add(...found);
    for (const upload of found) await upload.goOn();
  }

  /** Send files, in the place of those that arrived before; where a name is taken, ask first. */
  async add(files: readonly Picked[], folder: string): Promise<void> {
    this.#makeRoom();
    const there = await this.hosts.namesIn(folder);
    for (const picked of files) {
      const { name } = picked.file;
      if (there.has(name)) await this.addTaken(picked, folder, name, there);
      else await this.#send(picked, folder, name, false);
    }
  }

  /** Send a folder under one bar; where names are taken, ask once for all of them. */
  async addFolder({ branch, leftOut, handle }: PickedFolder, folder: string): Promise<void> {
    this.#makeRoom();
    const there = await this.hosts.namesIn(folder);
    const look = (path: string) => this.hosts.namesIn(path);
    let name = branch.name;
    let compared = await compare(branch, joined(folder, name), there.get(name) === true, look);
    const taken = countTaken(compared);
    const choice = taken > 0 ? await this.hosts.askAboutFolder(name, taken) : 'replace';
    if (choice === null) return;
    if (choice === 'both' || there.get(name) === false) {
      name = freeName(name, there);
      compared = asNew(branch);
    }
    const { folders, files } = place(compared, joined(folder, name));
    for (const path of folders) await this.hosts.makeFolder(path);
    this.hosts.arrived(folder);
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    const mark = { id: randomId(), name, folder, files: files.length, size, leftOut, handle };
    if (files.length > 0) await this.#sendAll(files, mark);
  }

  /** Send a file whose name is taken: in the other's place, under another name, or not at all. */
  async addTaken(picked: Picked, folder: string, name: string, there: Listing): Promise<boolean> {
    const choice = await this.hosts.askAboutTaken(name);
    if (choice === 'replace') await this.#send(picked, folder, name, true);
    else if (choice === 'both') await this.#send(picked, folder, freeName(name, there), false);
    return choice !== null;
  }

  async #send({ file, handle }: Picked, folder: string, target: string, overwrite: boolean) {
    const aim = { folder, target, overwrite, handle };
    const entry = { ...this.#entryOf(file, aim), ...(await markOf(file)) };
    await keep('uploads', entry);
    this.#add(new Upload(this, entry, file));
    this.startNext();
  }

  async #sendAll(files: readonly Placed[], mark: GroupMark): Promise<void> {
    const group = new UploadGroup(this, mark);
    const entries = files.map(({ file, source, folder, target, overwrite, handle }) => ({
      ...this.#entryOf(file, { folder, target, overwrite, handle }),
      source,
      group: mark,
    }));
    await keepAll('uploads', entries);
    const all = entries.map((entry, at) => new Upload(this, entry, files[at]?.file ?? null, group));
    group.take(all);
    this.#add(...all);
    this.startNext();
  }

  #entryOf(
    { name, size, lastModified }: File,
    aim: Pick<UploadEntry, 'folder' | 'target' | 'overwrite' | 'handle'>,
  ): UploadEntry {
    const [id, base, now] = [randomId(), this.hosts.server.base, Date.now()];
    // The beginning of a file is read when its turn comes: of a folder that would take a while.
    const mark = { name, size, modified: lastModified, prefix: '' };
    const progress = { location: null, offset: 0, paused: false, created: now, updated: now };
    return { ...mark, ...aim, ...progress, id, base };
  }

  /** Take away what has arrived: there are new files to look at. */
  #makeRoom(): void {
    for (const { state, dismiss } of this.all) if (state.status === 'done') void dismiss();
  }

  startNext(): void {
    const running = this.#all.filter(({ isRunning }) => isRunning).length;
    const waiting = this.#all.filter(({ state, group }) => {
      return state.status === 'queued' && group?.isHeld !== true;
    });
    for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - running))) upload.start();
  }

  remove(upload: Upload): void {
    const index = this.#all.indexOf(upload);
    if (index >= 0) this.#all.splice(index, 1);
    this.#tell();
    this.startNext();
  }

  /** The same for all files of a folder. */
  async removeGroup(group: UploadGroup): Promise<void> {
    const members = this.#all.filter((upload) => upload.group === group);
    for (const member of members) member.end();
    this.#all.splice(0, Infinity, ...this.#all.filter((upload) => upload.group !== group));
    this.#tell();
    this.startNext();
    await dropAll(
      'uploads',
      members.map(({ id }) => id),
    );
  }

  #add(...uploads: readonly Upload[]): void {
    this.#all.push(...uploads);
    this.#tell();
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
    if (entry) await removeUpload(this.#uploads.hosts.server, entry.location);
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
    const { hosts } = this.#uploads;
    const file = this.#file;
    if (this.#state.failure !== 'exists' || !file) return;
    const { folder, handle } = this.#entry;
    const there = await hosts.namesIn(folder);
    if (await this.#uploads.addTaken({ file, handle }, folder, this.name, there)) {
      await this.dismiss();
    }
  };

  /** Once more, over the file that has taken the name, or beside it. */
  async retarget(choice: 'replace' | 'both'): Promise<void> {
    const { folder, target, location, attempt = 0 } = this.#entry;
    const name =
      choice === 'both' ? freeName(target, await this.#uploads.hosts.namesIn(folder)) : target;
    const change = { target: name, overwrite: choice === 'replace', location: null, offset: 0 };
    await removeUpload(this.#uploads.hosts.server, location);
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
    const picked = await this.#uploads.hosts.pickAgain(this.#entry.name);
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
