/** The live channel: one connection per page and server, whatever the number of bars. */

import { encodeSubscribe, encodeUnsubscribe, encodeUnwatch, encodeWatch } from '../frames';
import {
  CLOSE_POSITION,
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
  withoutPosition,
} from '../reducer';
import type { Connection } from './connection';
import { type Environment, tellEach } from './environment';
import { Line } from './line';
import { type TransferListener, Transfers } from './transfers';

export type Listener = (task: TaskState, connection: Connection) => void;

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
/** About 110 bytes each: a full message stays below `MAX_FRAME`. */
const TASKS_PER_FRAME = 400;

interface Followed {
  state: TaskState;
  /** None where only the task's notebook is followed. */
  readonly listeners: Set<Listener>;
  /** The newest `subscribe` on this connection that named it; 0 before the first. */
  question: number;
}

/** Tasks that have something in common: those of a notebook, or the parts of a group. */
interface Watched {
  readonly target: Target;
  readonly listeners: Set<Listener>;
}

export class Channel {
  readonly #env: Environment;
  readonly #line: Line;
  readonly #transfers: Transfers;
  readonly #tasks = new Map<string, Followed>();
  readonly #watched = new Map<string, Watched>();
  readonly #followers = new Set<Follower>();
  readonly #toSubscribe = new Set<string>();
  readonly #toUnsubscribe = new Set<string>();
  #idle: unknown = null;
  #flushing = false;

  constructor(env: Environment) {
    this.#env = env;
    this.#transfers = new Transfers(env);
    this.#line = new Line(env, {
      changed: (connection) => this.#onChange(connection),
      opened: () => this.#onOpened(),
      heard: (message) => this.#onMessage(message),
      lost: (code) => this.#onLost(code),
      positions: () => this.#positionsToPoll(),
      wantsAll: () => this.#watched.size + this.#followers.size > 0,
      known: () => [...this.#tasks.keys()],
    });
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
    else this.#want(taskId);
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
      for (const [taskId, { state }] of this.#tasks) if (state.refused) this.#want(taskId);
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
    if (!this.#toSubscribe.delete(taskId)) {
      this.#toUnsubscribe.add(taskId);
      this.#flushSoon();
    }
    this.#closeIfIdle();
  }

  #watch(target: Target, listener: Listener): () => void {
    const key = keyOf(target);
    const watched = this.#watched.get(key) ?? { target, listeners: new Set() };
    const begins = watched.listeners.size === 0;
    watched.listeners.add(listener);
    this.#watched.set(key, watched);
    for (const { state } of [...this.#tasks.values()]) {
      if (keysOf(state).includes(key)) listener(state, this.connection);
    }
    if (begins && this.#line.isLive) this.#line.send((id) => encodeWatch(id, target));
    this.#line.look();
    this.#open();
    return () => this.#unwatch(target, listener);
  }

  #unwatch(target: Target, listener: Listener): void {
    const watched = this.#watched.get(keyOf(target));
    if (!watched?.listeners.delete(listener) || watched.listeners.size > 0) return;
    this.#watched.delete(keyOf(target));
    if (this.#line.isLive) this.#line.send((id) => encodeUnwatch(id, target));
    // With the target the server forgets its tasks, those that were asked for by name too.
    for (const [taskId, { state, listeners }] of this.#tasks) {
      if (listeners.size > 0 && keysOf(state).includes(keyOf(target))) this.#want(taskId);
    }
    this.#forgetUnwanted();
  }

  #unfollowAll(follower: Follower): void {
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
    if (this.#line.isLive) this.#line.send((id) => encodeUnwatch(id, ALL));
    this.#forgetUnwanted();
    // With the target the server forgets every task of it, those that were asked for by name too.
    for (const [taskId, { listeners }] of this.#tasks) if (listeners.size > 0) this.#want(taskId);
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
    const others = keysOf(state).flatMap((key) => [...(this.#watched.get(key)?.listeners ?? [])]);
    return [...own, ...others];
  }

  #open(): void {
    this.#env.clearTimeout(this.#idle);
    this.#line.open();
  }

  /** A notebook that is closed and opened again, or a cell that is moved, keeps the connection. */
  #closeIfIdle(): void {
    const wanted = this.#tasks.size + this.#watched.size + this.#followers.size;
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
    this.#toUnsubscribe.clear();
    for (const [taskId, followed] of this.#tasks) {
      followed.state = disconnected(followed.state);
      this.#toSubscribe.add(taskId);
    }
    // The tasks that are known come first, with where they are: only the others are new then.
    this.#flush();
    for (const { target } of this.#watched.values()) {
      this.#line.send((id) => encodeWatch(id, target));
    }
    if (this.#followers.size > 0) this.#line.send((id) => encodeWatch(id, ALL));
  }

  #onLost(code: number): void {
    for (const followed of this.#tasks.values()) {
      const { state } = followed;
      followed.question = 0;
      followed.state = disconnected(code === CLOSE_POSITION ? withoutPosition(state) : state);
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
        if (!this.#isLate(message.taskId, message.re)) this.#onTask(message.taskId, message);
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
      if (!this.#isLate(message.taskId, re)) this.#onTask(message.taskId, message);
      return;
    }
    this.#env.warn(`the server answered "${message.code}": ${message.message}`);
    // A `subscribe` that was refused as a whole: what was asked for by it, and not once more since.
    for (const [taskId, { question }] of [...this.#tasks]) {
      if (question === re) this.#onTask(taskId, message);
    }
  }

  /** Whether an answer is to a question that was given up: a newer one will be answered, too. */
  #isLate(taskId: string, re: number | null): boolean {
    return re !== null && re < (this.#tasks.get(taskId)?.question ?? 0);
  }

  #onTask(taskId: string, message: TaskMessage): void {
    const followed = this.#tasks.get(taskId) ?? this.#newcomer(taskId, message);
    if (!followed) return;
    const before = followed.state;
    const { state, resubscribe } = reduce(before, message);
    followed.state = state;
    if (resubscribe) this.#want(taskId);
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
    const keys = keysOf({ ...followed.state, record: message.snapshot });
    const wanted = this.#followers.size > 0 || keys.some((key) => this.#watched.has(key));
    if (!wanted) return undefined;
    this.#tasks.set(taskId, followed);
    return followed;
  }

  // --- Subscriptions ----------------------------------------------------------------------------

  #want(taskId: string): void {
    this.#toUnsubscribe.delete(taskId);
    this.#toSubscribe.add(taskId);
    this.#flushSoon();
    this.#line.look();
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
    for (const ids of chunks([...this.#toUnsubscribe])) {
      this.#line.send((id) => encodeUnsubscribe(id, ids));
    }
    for (const ids of chunks([...this.#toSubscribe])) {
      const positions = ids.flatMap((id) => {
        const followed = this.#tasks.get(id);
        return followed ? [position(followed.state)] : [];
      });
      if (positions.length === 0) continue;
      const id = this.#line.send((id) => encodeSubscribe(id, positions));
      if (id === null) continue;
      for (const { taskId } of positions) {
        const followed = this.#tasks.get(taskId);
        if (followed) followed.question = id;
      }
    }
    this.#toUnsubscribe.clear();
    this.#toSubscribe.clear();
  }
}

function keyOf(target: Target): string {
  return JSON.stringify(target);
}

/** The targets that a task belongs to, but for that of all. */
function keysOf({ record }: TaskState): readonly string[] {
  const { notebook = null, parent = null } = record ?? {};
  return [
    ...(notebook === null ? [] : [keyOf({ notebook })]),
    ...(parent === null ? [] : [keyOf({ parent })]),
  ];
}

function* chunks(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += TASKS_PER_FRAME) {
    yield ids.slice(start, start + TASKS_PER_FRAME);
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
