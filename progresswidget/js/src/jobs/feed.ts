/** Every job that the person may see, live: what the panel, the status bar and the notices share. */

import type { Channel } from '../channel/channel';
import { type Connection, hears } from '../channel/connection';
import { isTerminal, type JobRecord } from '../protocol';
import type { TaskState } from '../reducer';
import { Records } from './records';

/** Told at once, also where the page has no frames because nobody looks at it. */
export type EndListener = (record: JobRecord) => void;

export class Feed {
  readonly records: Records;
  readonly #living = new AbortController();
  readonly #ends = new Set<EndListener>();
  readonly #states = new Set<() => void>();
  readonly #channel: Channel;
  #connection: Connection;
  /** How many jobs the server has said that there are; null before it has. */
  #expected: number | null = null;
  /** Whether any of them has come since then, also if it has gone again. */
  #arrived = false;

  /** @param schedule As of `Records`. */
  constructor(channel: Channel, schedule: (run: () => void) => void) {
    this.#channel = channel;
    this.#connection = channel.connection;
    this.records = new Records(schedule);
    const end = channel.followAll({
      task: (state) => this.#take(state),
      connection: (connection) => {
        this.#connection = connection;
        this.#tellState();
      },
      counted: (tasks) => {
        this.#expected = tasks;
        this.#arrived = this.records.size > 0;
        this.#tellState();
      },
    });
    this.#living.signal.addEventListener('abort', end);
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Whether what is known is what there is. */
  get isComplete(): boolean {
    if (this.#connection.kind === 'polling') return true;
    return this.#expected !== null && (this.#expected === 0 || this.#arrived);
  }

  /** Whether the server hears of what a person wants. */
  get isConnected(): boolean {
    return hears(this.#connection);
  }

  reconnect(): void {
    this.#channel.reconnect();
  }

  /** Be told of each end that comes to pass while this page is open, until the signal aborts. */
  followEnds(listener: EndListener, signal: AbortSignal): void {
    add(this.#ends, listener, signal);
  }

  /** Be told when the connection is another, until the signal aborts. */
  followState(listener: () => void, signal: AbortSignal): void {
    add(this.#states, listener, signal);
  }

  dispose(): void {
    this.#living.abort();
    this.#ends.clear();
    this.#states.clear();
  }

  #take({ taskId, record, missing, awaiting }: TaskState): void {
    this.#arrived ||= record !== null && !awaiting;
    if (missing) {
      this.records.remove(taskId);
      return;
    }
    if (record === null || awaiting) return;
    const before = this.records.get(taskId);
    if (!this.records.put(record) || !before || isTerminal(before.status)) return;
    if (isTerminal(record.status)) for (const listener of [...this.#ends]) listener(record);
  }

  #tellState(): void {
    for (const listener of [...this.#states]) listener();
  }
}

function add<T>(listeners: Set<T>, listener: T, signal: AbortSignal): void {
  if (signal.aborted) return;
  listeners.add(listener);
  signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
}
