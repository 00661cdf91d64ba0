/** The saves of a page: what a button starts and a bar follows, whoever shows it. */

import { fileAddress } from '../actions';
import { amend, drop, keep, recall } from '../kept';
import type { JobRecord } from '../protocol';
import type { Server } from '../server';
import { canResume, isMoving, NEW_TRANSFER, type TransferState } from '../transfer';
import type { Driver, SaveEntry } from './drive';
import { isPermitted, pickSaveFile, removeFile, requestAccess } from './file_access';
import { startSave } from './host';
import { UNKNOWN_REMOTE } from './plan';

type Listener = (state: TransferState | null) => void;

const saves = new Map<string, Save>();

/** The save of the file of a finished job: one for the page, however many bars show it. */
export function saveOf(server: Server, record: JobRecord): Save {
  return saveAt(fileAddress(server, record), record.name);
}

/** The save of the file at an address. */
export function saveAt(url: string, name: string): Save {
  let save = saves.get(url);
  if (!save) {
    save = new Save(url, name);
    saves.set(url, save);
  }
  return save;
}

export class Save {
  readonly direction = 'save';
  readonly #url: string;
  readonly #name: string;
  readonly #listeners = new Set<Listener>();
  #entry: SaveEntry | null = null;
  #state: TransferState | null = null;
  #driver: Driver | null = null;
  #recalled: Promise<void> | null = null;
  #busy = new AbortController();

  constructor(url: string, name: string) {
    this.#url = url;
    this.#name = name;
  }

  /** The name that the person chose, or the one that was proposed. */
  get name(): string {
    return this.#entry?.name ?? this.#name;
  }

  /** Null while nothing was begun. */
  get state(): TransferState | null {
    return this.#state;
  }

  /** Hear of each state, the present one included, until the signal aborts. */
  follow(listener: Listener, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    if (this.#state) listener(this.#state);
    this.#recalled ??= this.#recall().catch(() => undefined);
  }

  /** Ask where to save to, and begin. Needs a click. */
  async begin(): Promise<void> {
    const handle = await pickSaveFile(this.#name);
    if (handle === null) return;
    this.#driver?.end();
    const entry: SaveEntry = {
      id: this.#url,
      url: this.#url,
      name: handle.name,
      handle,
      remote: UNKNOWN_REMOTE,
      offset: 0,
      paused: false,
      created: Date.now(),
      updated: Date.now(),
    };
    await keep('saves', entry);
    this.#run(entry);
  }

  /** Once more from the first byte. Needs a click. */
  async again(): Promise<void> {
    await this.begin();
  }

  /** Go on after a pause, a failure or a reload. Needs a click, if the browser wants to ask. */
  async resume(): Promise<void> {
    if (!this.#state || !this.#entry || !canResume(this.#state)) return;
    if (!(await requestAccess(this.#entry.handle, 'readwrite'))) {
      this.#set({ ...this.#state, status: 'failed', failure: 'noPermission' });
      return;
    }
    await amend('saves', this.#url, { paused: false });
    await this.#continue();
  }

  async pause(): Promise<void> {
    if (!this.#state || !isMoving(this.#state)) return;
    await amend('saves', this.#url, { paused: true });
    this.#driver?.command('pause');
  }

  /** Stop for good, and take the unfinished file away. */
  async cancel(): Promise<void> {
    const { handle } = this.#entry ?? {};
    if (this.#state && isMoving(this.#state)) {
      const stopped = new Promise<void>((resolve) => {
        const ended = new AbortController();
        this.follow((state) => {
          if (state && isMoving(state)) return;
          ended.abort();
          resolve();
        }, ended.signal);
      });
      this.#driver?.command('cancel');
      await stopped;
    }
    await this.dismiss();
    if (handle) await removeFile(handle);
  }

  /** Take the bar away; the file stays as it is. */
  async dismiss(): Promise<void> {
    this.#end();
    this.#entry = null;
    this.#set(null);
    await drop('saves', this.#url);
  }

  /** Find what an earlier page has begun, and go on with it if nobody has to be asked. */
  async #recall(): Promise<void> {
    const entry = await recall<SaveEntry>('saves', this.#url);
    if (!entry || this.#state) return;
    this.#entry = entry;
    this.#set({
      ...NEW_TRANSFER,
      status: 'paused',
      offset: entry.offset,
      size: entry.remote.size,
    });
    if (!entry.paused && (await isPermitted(entry.handle, 'readwrite'))) await this.#continue();
  }

  async #continue(): Promise<void> {
    // The worker has kept how far it came.
    const entry = await recall<SaveEntry>('saves', this.#url);
    if (entry) this.#run(entry);
  }

  #run(entry: SaveEntry): void {
    this.#end();
    this.#entry = entry;
    this.#busy = new AbortController();
    const { signal } = this.#busy;
    this.#set({ ...NEW_TRANSFER, size: entry.remote.size, offset: entry.offset });
    this.#driver = startSave(entry, (state) => {
      if (!signal.aborted) void this.#onState(state);
    });
    const tell = (command: 'hint' | 'hurry') => this.#driver?.command(command);
    window.addEventListener('beforeunload', () => tell('hint'), { signal });
    document.addEventListener(
      'visibilitychange',
      () => tell(document.visibilityState === 'hidden' ? 'hint' : 'hurry'),
      { signal },
    );
    window.addEventListener('online', () => void this.#onOnline(), { signal });
  }

  async #onState(state: TransferState): Promise<void> {
    if (state.status === 'done') {
      await drop('saves', this.#url);
      this.#end();
    }
    this.#set(state);
  }

  async #onOnline(): Promise<void> {
    if (this.#state?.failure === 'unreachable') await this.#continue();
    else this.#driver?.command('hurry');
  }

  #end(): void {
    this.#busy.abort();
    this.#driver?.end();
    this.#driver = null;
  }

  #set(state: TransferState | null): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
