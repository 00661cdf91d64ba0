/** What the server is asked to tell of by name, and which of its answers still count. */

import { encodeSubscribe, encodeUnsubscribe } from '../frames';
import { position, type TaskState } from '../reducer';
import type { Line } from './line';
import type { Listener } from './targets';

/** About 110 bytes each: a full message stays below `MAX_FRAME`. */
const TASKS_PER_FRAME = 400;

export interface Followed {
  state: TaskState;
  /** None where only the task's notebook is followed. */
  readonly listeners: Set<Listener>;
  /** The newest `subscribe` on this connection that named it; 0 before the first. */
  question: number;
}

export class Subscriptions {
  readonly #line: Line;
  readonly #tasks: ReadonlyMap<string, Followed>;
  readonly #wanted = new Set<string>();
  readonly #unwanted = new Set<string>();
  #flushing = false;

  /** @param tasks All that are known; a question is noted in them. */
  constructor(line: Line, tasks: ReadonlyMap<string, Followed>) {
    this.#line = line;
    this.#tasks = tasks;
  }

  /** Be told of a task from where it is known to be. */
  want(taskId: string): void {
    this.#unwanted.delete(taskId);
    this.#wanted.add(taskId);
    this.#flushSoon();
    this.#line.look();
  }

  /** Ask for every task on a connection that has just opened, which knows of none. */
  wantAll(): void {
    this.#unwanted.clear();
    for (const taskId of this.#tasks.keys()) this.#wanted.add(taskId);
    this.#flush();
  }

  /** Be told no more of a task. */
  drop(taskId: string): void {
    if (this.#wanted.delete(taskId)) return;
    this.#unwanted.add(taskId);
    this.#flushSoon();
  }

  /** Whether an answer is to a question that was given up: a newer one will be answered, too. */
  isLate(taskId: string, re: number | null): boolean {
    return re !== null && re < (this.#tasks.get(taskId)?.question ?? 0);
  }

  /** Bars that appear in the same turn share one message. */
  #flushSoon(): void {
    if (this.#flushing || !this.#line.isLive) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#line.isLive) return;
    for (const ids of chunks([...this.#unwanted])) {
      this.#line.send((id) => encodeUnsubscribe(id, ids));
    }
    for (const ids of chunks([...this.#wanted])) {
      const followed = ids.flatMap((id) => this.#tasks.get(id) ?? []);
      if (followed.length === 0) continue;
      const positions = followed.map(({ state }) => position(state));
      const id = this.#line.send((id) => encodeSubscribe(id, positions));
      if (id === null) continue;
      for (const task of followed) task.question = id;
    }
    this.#unwanted.clear();
    this.#wanted.clear();
  }
}

function* chunks(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += TASKS_PER_FRAME) {
    yield ids.slice(start, start + TASKS_PER_FRAME);
  }
}
