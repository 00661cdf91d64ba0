/** The live channel: one connection per page and server, whatever the number of bars. */

import { encodeUnwatch, encodeWatch } from '../frames';
import {
  isTerminal,
  type Position,
  type ServerError,
  type ServerMessage,
  type Target,
} from '../protocol';
import {
  disconnected,
  newTask,
  position,
  reduce,
  type TaskMessage,
  type TaskState,
} from '../reducer';
import type { Connection } from './connection';
import { type Environment, tellEach } from './environment';
import { Line } from './line';
import { type Followed, Subscriptions } from './subscriptions';
import { isOf, type Listener, Targets } from './targets';
import { type TransferListener, Transfers } from './transfers';

/** Who wants to know of every task that the person may see. */
export interface Follower {
  task(task: TaskState): void;
  connection(connection: Connection): void;
  /** How many tasks there are now; each is told after it. */
  counted(tasks: number): void;
}

const ALL = { all: true } as const;

/** Milliseconds for which a connection is kept that nobody needs. */
const IDLE_GRACE = 5_000;

export class Channel {
  readonly #env: Environment;
  readonly #line: Line;
  readonly #transfers: Transfers;
  readonly #tasks = new Map<string, Followed>();
  readonly #targets = new Targets();
  readonly #followers = new Set<Follower>();
  readonly #subscriptions: Subscriptions;
  #idle: unknown = null;

  constructor(env: Environment) {
    this.#env = env;
    this.#transfers = new Transfers(env);
    this.#line = new Line(env, {
      changed: (connection) => this.#onChange(connection),
      opened: () => this.#onOpened(),
      heard: (message) => this.#onMessage(message),
      lost: () => this.#onLost(),
      positions: () => this.#positionsToPoll(),
      wantsAll: () => this.#targets.size + this.#followers.size > 0,
      known: () => [...this.#tasks.keys()],
    });
    this.#subscriptions = new Subscriptions(this.#line, this.#tasks);
  }

  get connection(): Connection {
    return this.#line.connection;
  }

  /** Be told of a task's state now and from now on; the function returned ends it. */
  follow(taskId: string, listener: Listener): () => void {
    const known = this.#tasks.get(taskId);
    const followed = known ?? { state: newTask(taskId), listeners: new Set(), question: 0 };
    this.#tasks.set(taskId, followed);
    followed.listeners.add(listener);
    listener(followed.state, this.connection);
    // Only now: what nobody listens to is not polled for.
    if (known) this.#line.look();
    else this.#subscriptions.want(taskId);
    this.#open();
    return () => this.#unfollow(taskId, listener);
  }

  /** Be told of each task of a notebook, also of those that come later; the function ends it. */
  followNotebook(path: string, listener: Listener): () => void {
    return this.#watch({ notebook: path }, listener);
  }

  /** Be told of each part of a group, also of those that come later; the function ends it. */
  followParts(taskId: string, listener: Listener): () => void {
    return this.#watch({ parent: taskId }, listener);
  }

  /** Tell somebody of every task, also of those that come later; the function returned ends it. */
  followAll(follower: Follower): () => void {
    this.#followers.add(follower);
    follower.connection(this.connection);
    for (const { state } of [...this.#tasks.values()]) follower.task(state);
    // Asked for again by a second one: the answer says how many there are.
    if (this.#line.isLive) this.#line.send((id) => encodeWatch(id, ALL));
    this.#line.look();
    this.#open();
    return () => this.#unfollowAll(follower);
  }

  /** Be told how far downloads of a task's file are; the function returned ends it. */
  followTransfers(taskId: string, listener: TransferListener): () => void {
    return this.#transfers.follow(taskId, listener);
  }

  /** Begin a fresh round of tries: the person asked for it. */
  reconnect(): void {
    if (this.#line.isLive) {
      for (const [taskId, { state }] of this.#tasks) {
        if (state.refused) this.#subscriptions.want(taskId);
      }
    } else {
      this.#line.reconnect();
    }
  }

  /** The host sees the server again, and with a login that holds. */
  signOfLife(): void {
    this.#line.signOfLife();
  }

  /** The host has lost the server: a live connection has to prove itself. */
  signOfLoss(): void {
    this.#line.signOfLoss();
  }

  #unfollow(taskId: string, listener: Listener): void {
    const followed = this.#tasks.get(taskId);
    if (!followed?.listeners.delete(listener) || followed.listeners.size > 0) return;
    if (this.#isWanted(followed.state)) return;
    this.#tasks.delete(taskId);
    this.#subscriptions.drop(taskId);
    this.#closeIfIdle();
  }

  #watch(target: Target, listener: Listener): () => void {
    const begins = this.#targets.add(target, listener);
    for (const { state } of [...this.#tasks.values()]) {
      if (isOf(state, target)) listener(state, this.connection);
    }
    if (begins && this.#line.isLive) this.#line.send((id) => encodeWatch(id, target));
    this.#line.look();
    this.#open();
    return () => this.#unwatch(target, listener);
  }

  #unwatch(target: Target, listener: Listener): void {
    if (!this.#targets.remove(target, listener)) return;
    if (this.#line.isLive) this.#line.send((id) => encodeUnwatch(id, target));
    // With the target the server forgets its tasks, those that were asked for by name too.
    for (const [taskId, { state, listeners }] of this.#tasks) {
      if (listeners.size > 0 && isOf(state, target)) this.#subscriptions.want(taskId);
    }
    this.#forgetUnwanted();
  }

  #unfollowAll(follower: Follower): void {
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
    if (this.#line.isLive) this.#line.send((id) => encodeUnwatch(id, ALL));
    this.#forgetUnwanted();
    // With the target the server forgets every task of it, those that were asked for by name too.
    for (const [taskId, { listeners }] of this.#tasks) {
      if (listeners.size > 0) this.#subscriptions.want(taskId);
    }
  }

  #forgetUnwanted(): void {
    for (const [taskId, { state }] of this.#tasks) {
      if (!this.#isWanted(state)) this.#tasks.delete(taskId);
    }
    this.#closeIfIdle();
  }

  #isWanted(state: TaskState): boolean {
    return this.#followers.size > 0 || this.#listenersOf(state).length > 0;
  }

  #listenersOf(state: TaskState): readonly Listener[] {
    const own = this.#tasks.get(state.taskId)?.listeners ?? [];
    return [...own, ...this.#targets.listenersOf(state)];
  }

  #open(): void {
    this.#env.clearTimeout(this.#idle);
    this.#line.open();
  }

  /** A notebook that is closed and opened again, or a cell that is moved, keeps the connection. */
  #closeIfIdle(): void {
    const wanted = this.#tasks.size + this.#targets.size + this.#followers.size;
    if (wanted > 0) return;
    this.#env.clearTimeout(this.#idle);
    this.#idle = this.#env.setTimeout(() => this.#line.close(), IDLE_GRACE);
  }

  // --- The connection ---------------------------------------------------------------------------

  #onChange(connection: Connection): void {
    tellEach(this.#env, this.#followers, (follower) => follower.connection(connection));
    for (const { state, listeners } of [...this.#tasks.values()]) {
      tellEach(this.#env, listeners, (listener) => listener(state, connection));
    }
  }

  #onOpened(): void {
    this.#transfers.forget();
    for (const followed of this.#tasks.values()) followed.state = disconnected(followed.state);
    // The tasks that are known come first, with where they are: only the others are new then.
    this.#subscriptions.wantAll();
    for (const target of this.#targets.all) {
      this.#line.send((id) => encodeWatch(id, target));
    }
    if (this.#followers.size > 0) this.#line.send((id) => encodeWatch(id, ALL));
  }

  #onLost(): void {
    for (const followed of this.#tasks.values()) {
      followed.question = 0;
      followed.state = disconnected(followed.state);
    }
  }

  /** What is shown, but for what has ended: it says nothing more, once its end is known. */
  #positionsToPoll(): readonly Position[] {
    return [...this.#tasks.values()].flatMap(({ state, listeners }) => {
      const ended = state.record !== null && isTerminal(state.record.status);
      const silent = listeners.size === 0 || state.missing || (ended && !state.awaiting);
      return silent ? [] : [position(state)];
    });
  }

  // --- Messages ---------------------------------------------------------------------------------

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'subscribed':
        if (this.#subscriptions.isLate(message.taskId, message.re)) break;
        this.#onTask(message.taskId, message);
        break;
      case 'removed':
        this.#onTask(message.taskId, message);
        break;
      case 'event':
        this.#onTask(message.record.taskId, message);
        break;
      case 'transfer':
        this.#transfers.take(message.record);
        break;
      case 'watching':
        if (!message.all) break;
        tellEach(this.#env, this.#followers, (follower) => follower.counted(message.tasks));
        break;
      case 'error':
        this.#onError(message);
        break;
      case 'hello':
      case 'pong':
      case 'unknown':
        break;
    }
  }

  #onError(message: ServerError): void {
    const { re } = message;
    if (message.taskId !== null) {
      if (!this.#subscriptions.isLate(message.taskId, re)) this.#onTask(message.taskId, message);
      return;
    }
    this.#env.warn(`the server answered "${message.code}": ${message.message}`);
    // A `subscribe` that was refused as a whole: what was asked for by it, and not once more since.
    for (const [taskId, { question }] of [...this.#tasks]) {
      if (question === re) this.#onTask(taskId, message);
    }
  }

  #onTask(taskId: string, message: TaskMessage): void {
    const followed = this.#tasks.get(taskId) ?? this.#newcomer(taskId, message);
    if (!followed) return;
    const before = followed.state;
    const { state, resubscribe } = reduce(before, message);
    followed.state = state;
    if (resubscribe) this.#subscriptions.want(taskId);
    if (state === before) return;
    tellEach(this.#env, this.#listenersOf(state), (listener) => listener(state, this.connection));
    tellEach(this.#env, this.#followers, (follower) => follower.task(state));
    // Nobody shows it, and nothing more will come of it.
    if (state.missing && followed.listeners.size === 0) this.#tasks.delete(taskId);
  }

  /** A task of what is followed together, and that nobody has asked for by its id. */
  #newcomer(taskId: string, message: TaskMessage): Followed | undefined {
    if (message.type !== 'subscribed' || message.snapshot === null) return undefined;
    const followed = { state: newTask(taskId), listeners: new Set<Listener>(), question: 0 };
    const state = { ...followed.state, record: message.snapshot };
    if (this.#followers.size === 0 && !this.#targets.has(state)) return undefined;
    this.#tasks.set(taskId, followed);
    return followed;
  }
}

const REGISTRY = Symbol.for('progresswidget.channels.v1');

/**
 * The page's channel to a server. The labextension and the anywidget are two bundles, each with
 * its own copy of this module: they meet in `globalThis`.
 */
export function sharedChannel(base: string, environment: () => Environment): Channel {
  const holder = globalThis as { [REGISTRY]?: Map<string, Channel> };
  holder[REGISTRY] ??= new Map();
  const channels = holder[REGISTRY];
  let channel = channels.get(base);
  if (!channel) {
    channel = new Channel(environment());
    channels.set(base, channel);
  }
  return channel;
}
