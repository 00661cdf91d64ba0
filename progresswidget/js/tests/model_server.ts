/** A server that keeps the contract unless it is told not to, and remembers all that was ever true. */

import type { JobRecord, Position } from '../src/protocol';
import type { Network, Wire } from './fake_network';
import { record } from './records';

interface Event {
  readonly from: number;
  readonly seq: number;
}

interface Topic {
  seq: number;
  /** What can be replayed, oldest first; it was pushed in these pieces. */
  ring: Event[];
  /** The last event that the open connection was told of; null where it did not subscribe. */
  told: number | null;
}

const isEvent = (message: object) => 'from' in message;

export class ModelServer {
  readonly #network: Network;
  readonly #topics = new Map<string, Topic>();
  /** Of each `task epoch seq` the revision that was true then. */
  readonly #truth = new Map<string, number>();
  #epoch = 0;
  #revision = 0;
  /** The wire whose frames are answered. */
  #wire: Wire | null = null;
  #answered = 0;
  /** What was said and has not arrived. */
  #queue: object[] = [];
  /** Lets the page in by a socket. */
  admits = true;

  constructor(network: Network, taskIds: readonly string[]) {
    this.#network = network;
    for (const taskId of taskIds) {
      this.#topics.set(taskId, { seq: 0, ring: [], told: null });
      this.publish(taskId);
    }
  }

  get epoch(): string {
    return `epoch-${this.#epoch}`;
  }

  /** What was true of a task at a position, or undefined where there was no such position. */
  truth(taskId: string, epoch: string | null, seq: number): number | undefined {
    return this.#truth.get(`${taskId} ${epoch} ${seq}`);
  }

  now(taskId: string): { epoch: string; seq: number; revision: number | undefined } {
    const { seq } = this.#topic(taskId);
    return { epoch: this.epoch, seq, revision: this.truth(taskId, this.epoch, seq) };
  }

  publish(taskId: string): void {
    const topic = this.#topic(taskId);
    topic.seq += 1;
    this.#revision += 1;
    this.#truth.set(`${taskId} ${this.epoch} ${topic.seq}`, this.#revision);
  }

  /** Push what is new of a task, however much that is, in one event. */
  push(taskId: string): void {
    const topic = this.#topic(taskId);
    const from = (topic.ring.at(-1)?.seq ?? 0) + 1;
    if (from <= topic.seq) topic.ring.push({ from, seq: topic.seq });
    if (topic.told === null || topic.told >= topic.seq) return;
    this.#queue.push(this.#event(taskId, { from: topic.told + 1, seq: topic.seq }));
    topic.told = topic.seq;
  }

  /** Forget the oldest events. */
  trim(taskId: string): void {
    this.#topic(taskId).ring.splice(0, 2);
  }

  /** Lose all state, and go on in another history on the connection that is open. */
  rebase(says = true): void {
    this.#epoch += 1;
    if (says) this.#queue = [];
    for (const [taskId, topic] of this.#topics) {
      const { told } = topic;
      Object.assign(topic, { seq: 0, ring: [] });
      this.publish(taskId);
      if (told === null) continue;
      if (says) this.#queue.push(this.#snapshot(taskId, null));
      else topic.told = 0;
    }
  }

  /** Break the order of what was said: lose an event, repeat it in the end, or let it be overtaken. */
  garble(how: 'lose' | 'repeat' | 'swap'): void {
    const at = this.#queue.findIndex(isEvent);
    const event = this.#queue[at];
    if (!event) return;
    this.#queue.splice(at, 1);
    if (how === 'repeat') this.#queue.splice(at, 0, event);
    if (how === 'repeat') this.#queue.push(event);
    if (how === 'swap') this.#queue.splice(at + 1, 0, event);
  }

  /** The queue of the connection was full: what was in it is dropped, and the newest sent. */
  overflow(): void {
    this.#queue = [];
    for (const [taskId, { told }] of this.#topics) {
      if (told !== null) this.#queue.push(this.#snapshot(taskId, null));
    }
  }

  /** Take a new connection, or read what the page has said on it. */
  listen(): void {
    const wire = this.#network.wires.at(-1);
    if (!wire || wire.readyState === 3) return;
    if (wire !== this.#wire) {
      if (!this.admits) {
        wire.break(1006);
        return;
      }
      this.hangUp();
      this.#wire = wire;
      this.#answered = 0;
      wire.hello(30);
    }
    for (const { type, id, data } of wire.sent.slice(this.#answered)) {
      this.#answered += 1;
      if (type === 'ping') this.#queue.push({ type: 'pong', re: id, timestamp: 1, data: {} });
      if (type === 'subscribe') {
        for (const position of data.tasks as Position[]) {
          this.#queue.push(this.answer(position, id));
          const topic = this.#topic(position.taskId);
          topic.told = topic.seq;
        }
      }
      if (type === 'unsubscribe') {
        for (const taskId of data.tasks as string[]) this.#topic(taskId).told = null;
      }
    }
  }

  /** Let some of what was said arrive. */
  deliver(most: number): void {
    const wire = this.#wire;
    for (const message of this.#queue.splice(0, most)) if (wire) wire.say(message);
  }

  /** Let the connection end, and say on it what the page must not hear any more. */
  break(code: number): void {
    const wire = this.#wire;
    if (!wire || wire.readyState === 3) return;
    const late = this.#queue.splice(0, 3);
    this.hangUp();
    wire.break(code);
    for (const message of late) wire.say(message);
  }

  /** Forget the connection, as a server whose line was cut without a word. */
  hangUp(): void {
    this.#wire = null;
    this.#queue = [];
    for (const topic of this.#topics.values()) topic.told = null;
  }

  answer({ taskId, epoch, seq }: Position, re: number | null): object {
    const topic = this.#topic(taskId);
    const known = epoch === this.epoch && seq !== undefined && seq <= topic.seq;
    const missed = topic.ring.filter((event) => known && event.seq > seq);
    const newest = topic.ring.at(-1)?.seq ?? 0;
    if (known && Math.max(newest, seq) < topic.seq)
      missed.push({ from: Math.max(newest, seq) + 1, seq: topic.seq });
    const first = missed[0];
    if (!known || (seq < topic.seq && (!first || first.from > seq + 1))) {
      return this.#snapshot(taskId, re);
    }
    const events = missed.map((event, index) =>
      this.#event(taskId, index === 0 ? { ...event, from: seq + 1 } : event),
    );
    const data = { taskId, recovered: true, events };
    return { type: 'subscribed', re, timestamp: 1, epoch: this.epoch, seq: topic.seq, data };
  }

  #snapshot(taskId: string, re: number | null): object {
    const topic = this.#topic(taskId);
    if (topic.told !== null) topic.told = topic.seq;
    const data = { taskId, recovered: false, snapshot: this.#record(taskId, topic.seq) };
    return { type: 'subscribed', re, timestamp: 1, epoch: this.epoch, seq: topic.seq, data };
  }

  #event(taskId: string, { from, seq }: Event): object {
    const data = this.#record(taskId, seq);
    return { type: 'progress_update', timestamp: 1, epoch: this.epoch, from, seq, data };
  }

  #record(taskId: string, seq: number): JobRecord {
    return record({ taskId, revision: this.truth(taskId, this.epoch, seq) ?? -1 });
  }

  #topic(taskId: string): Topic {
    const topic = this.#topics.get(taskId);
    if (!topic) throw new Error(`no task ${taskId}`);
    return topic;
  }
}
