/** A folder on its way: many uploads that have one bar. */

import { requestAccess } from '../save/file_access';
import { canResume, isMoving, NEW_TRANSFER, type TransferState } from '../transfer';
import { holdUntil } from './locks';
import type { Upload } from './upload';
import type { Uploads } from './uploads';

/** What every file of a folder knows of the whole, so that the next page knows it too. */
export interface GroupMark {
  readonly id: string;
  /** The name that the folder has on the server. */
  readonly name: string;
  /** The folder that it is in there. */
  readonly folder: string;
  readonly files: number;
  /** Bytes of all files. */
  readonly size: number;
  /** What was not taken along: hidden, or not to be read. */
  readonly leftOut: number;
  readonly handle: FileSystemDirectoryHandle | null;
}

/** What a bar says beside the bytes. */
export interface GroupFacts {
  readonly done: number;
  readonly files: number;
  readonly leftOut: number;
  /** The first file that has failed, by its path in the folder, and how many there are. */
  readonly failed: { readonly name: string; readonly count: number } | null;
}

type Status = TransferState['status'];

export class UploadGroup {
  readonly direction = 'upload';
  readonly mark: GroupMark;
  /** While all files are being stopped none of them is to begin. */
  isHeld = false;
  readonly #uploads: Uploads;
  readonly #states = new Map<Upload, TransferState>();
  readonly #counts = new Map<Status, number>();
  readonly #listeners = new Set<(state: TransferState) => void>();
  readonly #living = new AbortController();
  #offset = 0;
  /** Of an earlier page: files that have arrived are forgotten by now. */
  #arrived = { files: 0, bytes: 0 };
  #waiting: TransferState | null = null;

  constructor(uploads: Uploads, mark: GroupMark) {
    this.#uploads = uploads;
    this.mark = mark;
  }

  get name(): string {
    return this.mark.name;
  }

  get members(): readonly Upload[] {
    return [...this.#states.keys()];
  }

  get state(): TransferState {
    const { size } = this.mark;
    const status = this.#status();
    const offset = this.#arrived.bytes + this.#offset;
    const { attempt, tries } = this.#waiting ?? NEW_TRANSFER;
    const failure = isMoving({ ...NEW_TRANSFER, status }) ? null : this.#failure();
    const { failure: reason = null, detail = '' } = failure ?? {};
    const verified = status === 'done';
    return { status, offset, size, attempt, tries, failure: reason, detail, verified };
  }

  get facts(): GroupFacts {
    const { files, leftOut } = this.mark;
    const done = this.#arrived.files + this.#count('done');
    const failed = this.#with('failed');
    const first = failed[0];
    return {
      done,
      files,
      leftOut,
      failed: first ? { name: first.source, count: failed.length } : null,
    };
  }

  /** Take files in; all of them at once, and keep other pages away from them. */
  take(members: readonly Upload[]): void {
    const { signal } = this.#living;
    holdUntil(signal, this.mark.id);
    for (const member of members) {
      member.follow((state) => this.#note(member, state), signal);
    }
    const bytes = members.reduce((sum, { state }) => sum + (state.size ?? 0), 0);
    this.#arrived = { files: this.mark.files - members.length, bytes: this.mark.size - bytes };
    this.#tell();
  }

  follow(listener: (state: TransferState) => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    listener(this.state);
  }

  readonly pause = async (): Promise<void> => {
    await this.#held(() => Promise.all(this.members.map((member) => member.pause())));
  };

  /** Go on with every file that can. Needs a click, if the browser wants to ask. */
  readonly resume = async (): Promise<void> => {
    const { handle } = this.mark;
    const members = this.members.filter(({ state }) => canResume(state));
    if (handle !== null) {
      // Once for the folder: that covers everything in it.
      if (!(await requestAccess(handle, 'read'))) {
        for (const member of members) member.forbid();
        return;
      }
    } else if (members.some(({ isWithoutFile }) => isWithoutFile)) {
      const picked = await this.#uploads.host.pickFolderAgain(this.name);
      if (picked === null) return;
      for (const member of members) {
        const file = picked.get(member.source);
        if (file) await member.use({ file, handle: null });
      }
    }
    for (const member of members) if (!member.isWithoutFile) await member.resume();
  };

  /** Stop for good; what has arrived stays on the server. */
  readonly cancel = async (): Promise<void> => {
    this.isHeld = true;
    await Promise.all(this.members.map((member) => member.halt()));
    await this.dismiss();
  };

  readonly dismiss = async (): Promise<void> => {
    this.#living.abort();
    await this.#uploads.removeGroup(this);
  };

  /** Once more, where names were taken meanwhile. */
  readonly again = async (): Promise<void> => {
    const taken = this.#with('failed').filter(({ state }) => state.failure === 'exists');
    if (taken.length === 0) return;
    const choice = await this.#uploads.host.askAboutFolder(this.name, taken.length);
    if (choice === null) return;
    for (const member of taken) await member.retarget(choice);
  };

  async #held(work: () => Promise<unknown>): Promise<void> {
    this.isHeld = true;
    try {
      await work();
    } finally {
      this.isHeld = false;
    }
  }

  #note(member: Upload, state: TransferState): void {
    const before = this.#states.get(member);
    this.#states.set(member, state);
    if (before) this.#counts.set(before.status, this.#count(before.status) - 1);
    this.#counts.set(state.status, this.#count(state.status) + 1);
    this.#offset += state.offset - (before?.offset ?? 0);
    if (state.status === 'waiting') this.#waiting = state;
    this.#tell();
  }

  #count(status: Status): number {
    return this.#counts.get(status) ?? 0;
  }

  #with(status: Status): Upload[] {
    if (this.#count(status) === 0) return [];
    return [...this.#states].filter(([, state]) => state.status === status).map(([one]) => one);
  }

  #status(): Status {
    const has = (...some: readonly Status[]) => some.some((status) => this.#count(status) > 0);
    if (has('running', 'starting', 'checking')) return 'running';
    if (has('waiting')) return 'waiting';
    // Between two files nothing runs for a moment, and that is no news.
    if (has('queued')) return has('done') ? 'running' : 'queued';
    if (has('paused')) return 'paused';
    return has('failed') ? 'failed' : 'done';
  }

  /** What to say of what stands still: of several reasons first one that can be helped. */
  #failure(): TransferState | null {
    const states = [...this.#with('failed'), ...this.#with('paused')].map(({ state }) => state);
    const reasons = states.filter(({ failure }) => failure !== null);
    return reasons.find((state) => canResume(state)) ?? reasons[0] ?? null;
  }

  #tell(): void {
    const { state } = this;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
