/** The parts of a group and where they come from: the notebook's copy, and the server's channel. */

import type { Channel } from './channel/channel';
import type { Connection } from './channel/connection';
import type { Messages } from './i18n';
import { Records } from './jobs/records';
import { orphan } from './known';
import { isTerminal, type JobRecord } from './protocol';
import { inNextFrame } from './view/frame';
import { PartsView } from './view/parts_view';

export interface PartsOptions {
  readonly messages: Messages;
  readonly name: string;
  /** Null where the page reaches no server. */
  readonly download: ((record: JobRecord) => void) | null;
  /** Called when a part has ended. */
  readonly onEnd: () => void;
}

export class Parts {
  readonly view: PartsView;
  readonly #records = new Records(inNextFrame);
  readonly #options: PartsOptions;
  #unfollow: (() => void) | null = null;
  #connection: Connection = { kind: 'connecting' };
  #unknown = false;
  #lost = false;

  constructor(options: PartsOptions) {
    this.#options = options;
    this.view = new PartsView({
      ...options,
      records: this.#records,
      read: (taskId) => this.#read(taskId),
      connection: () => this.#connection,
      download: () => (this.#unknown ? null : options.download),
    });
  }

  /**
   * Say what stands behind the group.
   *
   * @param unknown The server does not know the group, nor its parts.
   */
  stand(group: JobRecord, connection: Connection, unknown: boolean): void {
    // Nobody would tell the end of a part that ran when its group had ended.
    const lost = unknown || (isTerminal(group.status) && SILENT.has(connection.kind));
    const same = connection.kind === this.#connection.kind && unknown === this.#unknown;
    if (same && lost === this.#lost) return;
    this.#connection = connection;
    this.#unknown = unknown;
    this.#lost = lost;
    this.view.refresh();
  }

  /** All that are known, the first one first. */
  get records(): readonly JobRecord[] {
    return [...this.#records.values()].sort((a, b) => a.created - b.created);
  }

  /** Take what the notebook or the kernel says of them; the server knows better. */
  keep(records: readonly JobRecord[]): void {
    for (const record of records) this.#records.put(record);
  }

  /** Hear of them from the server, unless the notebook has the end of each. */
  follow(channel: Channel, group: JobRecord): void {
    const { size } = this.#records;
    const whole = size > 0 && size === group.total && this.records.every(hasEnded);
    if (this.#unfollow || (isTerminal(group.status) && whole)) return;
    this.#unfollow = channel.followParts(group.taskId, ({ taskId, record, missing }) => {
      if (missing) this.#records.remove(taskId);
      if (record === null || missing || !this.#records.put(record)) return;
      if (hasEnded(record)) this.#options.onEnd();
    });
  }

  #read(taskId: string): JobRecord | undefined {
    const record = this.#records.get(taskId);
    if (!record || !this.#lost || hasEnded(record)) return record;
    // The group says why.
    return { ...orphan(record), error: null };
  }

  dispose(): void {
    this.#unfollow?.();
    this.view.dispose();
  }
}

/** Without a server that would know better. */
const SILENT: ReadonlySet<Connection['kind']> = new Set(['comm', 'saved', 'offline']);

function hasEnded({ status }: JobRecord): boolean {
  return isTerminal(status);
}
