/** A bar and where its truth comes from: the server's channel, the kernel's comm, the notebook. */

import { download, makeLink, requestAction } from './actions';
import type { Channel } from './channel/channel';
import { type Connection, hears } from './channel/connection';
import type { Messages } from './i18n';
import { newest, orphan } from './known';
import { Parts } from './parts';
import { type Action, isTerminal, type JobRecord } from './protocol';
import type { TaskState } from './reducer';
import { canSave } from './save/file_access';
import { type Save, saveOf } from './save/saves';
import type { Server } from './server';
import { Steps } from './steps';
import type { TransferState } from './transfer';
import { forgetFrame, inNextFrame } from './view/frame';
import { isInView, unwatchView, watchView } from './view/in_view';
import { JobView } from './view/job_view';
import { nameOf } from './view/kinds';
import { adoptStyle } from './view/stylesheet';
import { TransferView } from './view/transfer_view';

export interface JobOptions {
  readonly taskId: string;
  readonly name: string;
  readonly messages: Messages;
  /** The state that the notebook or the widget keeps. */
  readonly snapshot: JobRecord | null;
  /** Null where the page reaches no server. */
  readonly server: Server | null;
  /** Tells the kernel; null where there is no comm. */
  readonly comm: ((action: Action) => void) | null;
  /** Whether there is a kernel at the other end of the comm; where nobody can know, there is. */
  readonly hasKernel?: () => boolean;
  /** Run the cell again that made the job; null where it is not at hand. */
  readonly rerun?: (() => Promise<void>) | null;
  /** Show a file by its path below the server's root; null where there is no file browser. */
  readonly reveal?: ((contents: string) => Promise<void>) | null;
  /** Called with each end of the job that is known for certain. */
  readonly onEnd?: (record: JobRecord, parts: readonly JobRecord[]) => void;
  /** The parts of a group that the notebook or the widget keeps. */
  readonly parts?: readonly JobRecord[];
}

/** Kinds that may have parts: a loop has those within it. */
const PARENTS: ReadonlySet<string> = new Set(['group', 'task']);

export class Job {
  readonly view: JobView;
  readonly #options: JobOptions;
  #snapshot: JobRecord | null;
  #task: TaskState | null = null;
  #link: Connection = { kind: 'comm' };
  #channel: Channel | null = null;
  /** The kernel has said something new since the server fell silent. */
  #kernelLeads = false;
  #unfollow: (() => void) | null = null;
  #unfollowTransfers: (() => void) | null = null;
  #save: Save | null = null;
  #transfer: TransferView | null = null;
  #parts: Parts | null = null;
  #steps: Steps | null = null;
  #keptParts: readonly JobRecord[];
  readonly #living = new AbortController();
  #told = '';
  readonly #draw = () => this.#drawNow();
  /** What the view shows, and what it was told by. */
  #shown: JobRecord | null = null;
  #shownBy: Connection | null = null;

  constructor(options: JobOptions) {
    this.#options = options;
    this.#snapshot = options.snapshot;
    this.#keptParts = options.parts ?? [];
    const { taskId, name, messages, server, rerun = null, reveal } = options;
    this.view = new JobView({
      taskId,
      name,
      messages,
      handlers: {
        act: (action, signal) => this.#act(action, signal),
        download: server && ((record, signal) => download(server, record, signal)),
        save: server && canSave() ? async () => await this.#save?.begin() : null,
        reconnect: () => this.#channel?.reconnect(),
        link: server && ((record, signal) => makeLink(server, record, signal)),
        rerun,
        reveal: reveal ? async ({ contents }) => await reveal(contents ?? '') : null,
      },
    });
  }

  /** Put the bar into `host`, after whatever is there. */
  attach(host: HTMLElement): void {
    host.append(this.view.element);
    adoptStyle(host);
    watchView(this.view.element, this.#draw);
  }

  /** Live on the server's channel from now on. */
  follow(channel: Channel): void {
    this.#channel = channel;
    this.#unfollow?.();
    this.#unfollow = channel.follow(this.#options.taskId, (task, connection) => {
      this.#task = task;
      this.#link = connection;
      if (hears(connection)) this.#kernelLeads = false;
      this.render();
    });
    this.#unfollowTransfers?.();
    this.#unfollowTransfers = channel.followTransfers(this.#options.taskId, (record) =>
      this.view.showReceived(record),
    );
  }

  /** Take a newer state from the notebook or the kernel. */
  setSnapshot(snapshot: JobRecord | null, parts: readonly JobRecord[] = []): void {
    this.#snapshot = snapshot;
    this.#keptParts = parts;
    if (!hears(this.#link) && this.#link.kind !== 'connecting') this.#kernelLeads = true;
    this.render();
  }

  /** Show what is new at once; what only counts on waits for its frame, and to be in view. */
  render(): void {
    const connection = this.#connection;
    const record = this.#record(connection);
    if (countsOn(this.#shown, record) && connection === this.#shownBy) {
      if (isInView(this.view.element)) inNextFrame(this.#draw);
    } else {
      this.#drawNow();
    }
  }

  #drawNow(): void {
    const connection = this.#connection;
    const record = this.#record(connection);
    forgetFrame(this.#draw);
    this.#shown = record;
    this.#shownBy = connection;
    this.view.update(record, connection, this.#options.server !== null && this.#isUnknown);
    if (record && PARENTS.has(record.kind)) this.#showParts(record, connection);
    else if (record?.status === 'done') this.#followSave(record);
    if (record?.steps.length) this.#showSteps(record, connection);
    if (record && this.#task?.record === record && isTerminal(record.status)) this.#tellEnd(record);
  }

  dispose(): void {
    this.#living.abort();
    unwatchView(this.view.element);
    forgetFrame(this.#draw);
    this.#unfollow?.();
    this.#unfollowTransfers?.();
    this.#transfer?.dispose();
    this.#parts?.dispose();
    this.#steps?.dispose();
    this.view.dispose();
  }

  /** A server that is gone leaves the comm, where there is one. */
  get #connection(): Connection {
    const refused = this.#link.kind === 'live' && this.#task?.refused === true;
    const link: Connection = refused ? { kind: 'offline', reason: 'refused' } : this.#link;
    const { comm, hasKernel } = this.#options;
    if (comm === null) return link;
    const kernel = hasKernel === undefined || hasKernel();
    if (link.kind === 'comm') return kernel ? link : { kind: 'saved' };
    const silent = this.#kernelLeads && !hears(link);
    const useless = silent || link.kind === 'offline' || this.#task?.missing === true;
    return useless && kernel ? { kind: 'comm' } : link;
  }

  #record(connection: Connection): JobRecord | null {
    const known = newest(this.#task?.record ?? null, this.#snapshot);
    if (isLocal(connection) || known === null || isTerminal(known.status)) return known;
    if (this.#isUnknown) return orphan(known);
    // A state that runs on is worth showing only once the server has confirmed it.
    const confirmed = this.#task?.record != null;
    return confirmed || connection.kind === 'offline' ? known : null;
  }

  /** The server does not know the job, or knows no jobs at all. */
  get #isUnknown(): boolean {
    if (this.#task?.missing) return true;
    return this.#link.kind === 'offline' && this.#link.reason === 'absent';
  }

  #showParts(group: JobRecord, connection: Connection): void {
    const { messages, server } = this.#options;
    this.#parts ??= new Parts({
      messages,
      name: nameOf(group),
      download:
        server &&
        ((record) => {
          void this.view.attempt(() => download(server, record, this.#living.signal));
        }),
      onEnd: () => this.#tellLateEnd(),
    });
    this.#parts.keep(this.#keptParts);
    this.#keptParts = [];
    this.#parts.stand(group, connection, this.#isUnknown && !isLocal(connection));
    if (this.#channel && this.#task?.missing === false) this.#parts.follow(this.#channel, group);
    this.view.showParts(this.#parts.view.element);
  }

  #showSteps(record: JobRecord, connection: Connection): void {
    this.#steps ??= new Steps(record, this.#options.messages);
    this.#steps.show(record, connection);
    this.view.showParts(this.#steps.view.element);
  }

  /** A part that was heard of after its group belongs into the notebook as well. */
  #tellLateEnd(): void {
    const record = this.#task?.record;
    if (!record || !isTerminal(record.status)) return;
    this.#told = '';
    this.#tellEnd(record);
  }

  /** A save of this file may have been begun by another bar, or by an earlier page. */
  #followSave(record: JobRecord): void {
    const { server } = this.#options;
    if (!server || record.url === null || !canSave()) return;
    const save = saveOf(server, record);
    if (save === this.#save) return;
    this.#save = save;
    save.follow((state) => {
      if (save === this.#save) this.#showSave(save, state);
    }, this.#living.signal);
  }

  #showSave(save: Save, state: TransferState | null): void {
    if (state === null) {
      this.view.showTransfer(null);
      this.#transfer?.dispose();
      this.#transfer = null;
      return;
    }
    this.#transfer ??= new TransferView({
      name: save.name,
      direction: 'save',
      messages: this.#options.messages,
      handlers: {
        pause: () => void save.pause(),
        resume: () => void save.resume(),
        cancel: () => void save.cancel(),
        dismiss: () => void save.dismiss(),
        again: () => void save.begin(),
      },
    });
    this.#transfer.update(state);
    this.view.showTransfer(this.#transfer.element);
  }

  #tellEnd(record: JobRecord): void {
    const end = `${record.generation} ${record.revision} ${record.status}`;
    if (end === this.#told) return;
    this.#told = end;
    this.#options.onEnd?.(record, this.#parts?.records ?? []);
  }

  async #act(action: Action, signal: AbortSignal): Promise<JobRecord | null> {
    const { server, taskId, comm } = this.#options;
    if (server && !isLocal(this.#connection)) {
      return await requestAction(server, taskId, action, signal);
    }
    comm?.(action);
    return null;
  }
}

/** No server has a part in it. */
function isLocal({ kind }: Connection): boolean {
  return kind === 'comm' || kind === 'saved';
}

/** Whether a state says no more than another one but how far the job is. */
function countsOn(before: JobRecord | null, after: JobRecord | null): boolean {
  if (before === null || after === null || isTerminal(after.status)) return false;
  const same = ['status', 'phase', 'pending', 'generation', 'name', 'error'] as const;
  return same.every((name) => before[name] === after[name]);
}
