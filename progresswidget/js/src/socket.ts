/**
 * The live channel: one WebSocket per page and server, whatever the number of bars.
 *
 * The clock, the timers, the constructor of the socket and the signs that the page woke up are
 * parameters, so that every path can be walked under a virtual clock.
 */

import { Backoff } from './backoff';
import { MalformedError } from './fields';
import { decodeServerFrame, encodePing, encodeSubscribe, encodeUnsubscribe } from './frames';
import {
  CLOSE_FORBIDDEN,
  CLOSE_LOGIN,
  CLOSE_SILENT,
  CLOSE_STOP_FROM,
  CLOSE_STOP_TO,
  CLOSE_VERSION,
  type ServerError,
  type ServerMessage,
  type TransferRecord,
} from './protocol';
import {
  disconnected,
  newTask,
  position,
  reduce,
  type TaskMessage,
  type TaskState,
} from './reducer';

export type OfflineReason =
  | 'unreachable'
  | 'absent'
  | 'login'
  | 'forbidden'
  | 'version'
  | 'refused';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'reconnecting'; readonly attempt: number; readonly of: number }
  | { readonly kind: 'offline'; readonly reason: OfflineReason }
  | { readonly kind: 'comm' };

/** What a plain request says about a server whose socket did not open. */
export type Health = 'present' | 'absent' | 'login' | 'forbidden' | 'unreachable';

export interface Environment {
  /** Open the socket; the subprotocol is the caller's affair. */
  open(): WebSocket;
  /** Ask by plain HTTP: a page is told nothing about a WebSocket that was refused. */
  health(): Promise<Health>;
  /** Monotonic milliseconds. */
  now(): number;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
  random(): number;
  /** Whether the page is looked at. */
  visible(): boolean;
  /** Tell a developer what no person can be told. */
  warn(message: string): void;
  /** Call `run` when the network is back or the page is looked at; returns the end of it. */
  onWake(run: () => void): () => void;
}

export type Listener = (task: TaskState, connection: Connection) => void;
export type TransferListener = (record: TransferRecord) => void;

/** Milliseconds. */
const OPEN_LIMIT = 10_000;
const STABLE_AFTER = 30_000;
const WAKE_LIMIT = 5_000;
const IDLE_GRACE = 5_000;
const DEFAULT_HEARTBEAT = 30_000;
const LOOK_EVERY = 30_000;
/** About 110 bytes each: a full message stays below `MAX_FRAME`. */
const TASKS_PER_FRAME = 400;

interface Followed {
  state: TaskState;
  readonly listeners: Set<Listener>;
}

type TimerName = 'open' | 'retry' | 'heartbeat' | 'stable' | 'wake' | 'idle' | 'look';

export class Channel {
  readonly #env: Environment;
  readonly #backoff: Backoff;
  readonly #tasks = new Map<string, Followed>();
  readonly #transfers = new Map<string, Set<TransferListener>>();
  /** The newest of each task that goes on: for a bar that comes later. */
  readonly #moving = new Map<string, TransferRecord>();
  readonly #timers = new Map<TimerName, unknown>();
  readonly #toSubscribe = new Set<string>();
  readonly #toUnsubscribe = new Set<string>();
  /** The tasks of each `subscribe` that may still be refused as a whole. */
  readonly #asked = new Map<number, readonly string[]>();
  #connection: Connection = { kind: 'connecting' };
  #socket: WebSocket | null = null;
  #stopListening: (() => void) | null = null;
  #endWake: (() => void) | null = null;
  #heartbeat = DEFAULT_HEARTBEAT;
  #lastFrame = 0;
  #flushing = false;
  #nextId = 1;

  constructor(env: Environment) {
    this.#env = env;
    this.#backoff = new Backoff({ random: () => env.random() });
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Be told of a task's state now and from now on; the function returned ends it. */
  follow(taskId: string, listener: Listener): () => void {
    let followed = this.#tasks.get(taskId);
    if (!followed) {
      followed = { state: newTask(taskId), listeners: new Set() };
      this.#tasks.set(taskId, followed);
      this.#want(taskId);
    }
    followed.listeners.add(listener);
    this.#stop('idle');
    listener(followed.state, this.#connection);
    if (!this.#endWake) this.#start();
    // What kept the others away may be over: a new bar does not inherit their failure.
    else if (isUnreachable(this.#connection)) this.reconnect();
    return () => this.#unfollow(taskId, listener);
  }

  /** Begin a fresh round of tries: the person asked for it. */
  reconnect(): void {
    if (this.#connection.kind === 'live') {
      for (const [taskId, { state }] of this.#tasks) if (state.refused) this.#want(taskId);
      return;
    }
    if (this.#tasks.size === 0) return;
    this.#backoff.reset();
    if (this.#socket) return;
    this.#setConnection({ kind: 'connecting' });
    this.#connect();
  }

  /** The host sees the server again, and with a login that holds. */
  signOfLife(): void {
    const { kind } = this.#connection;
    const reason = this.#connection.kind === 'offline' ? this.#connection.reason : null;
    const mayBeOver = reason === 'unreachable' || reason === 'login' || reason === 'absent';
    if (this.#endWake && (kind === 'reconnecting' || mayBeOver)) this.reconnect();
  }

  /** The host has lost the server: a live socket has to prove itself. */
  signOfLoss(): void {
    if (this.#connection.kind === 'live') this.#probe();
  }

  #start(): void {
    this.#endWake = this.#env.onWake(() => this.#wake());
    this.#setConnection({ kind: 'connecting' });
    this.#connect();
  }

  #unfollow(taskId: string, listener: Listener): void {
    const followed = this.#tasks.get(taskId);
    if (!followed?.listeners.delete(listener) || followed.listeners.size > 0) return;
    this.#tasks.delete(taskId);
    if (!this.#toSubscribe.delete(taskId)) {
      this.#toUnsubscribe.add(taskId);
      this.#flushSoon();
    }
    // A notebook that is closed and opened again, or a cell that is moved, keeps the socket.
    if (this.#tasks.size === 0) this.#after('idle', IDLE_GRACE, () => this.#end());
  }

  #end(): void {
    this.#detach()?.close(1000);
    this.#endWake?.();
    this.#endWake = null;
    this.#backoff.reset();
    this.#connection = { kind: 'connecting' };
  }

  // --- The connection ---------------------------------------------------------------------------

  #connect(): void {
    this.#stop('retry');
    let socket: WebSocket;
    try {
      socket = this.#env.open();
    } catch {
      // A SyntaxError or SecurityError of the constructor: no later try would fare better.
      this.#setConnection({ kind: 'offline', reason: 'refused' });
      return;
    }
    this.#socket = socket;
    const listening = new AbortController();
    this.#stopListening = () => listening.abort();
    const { signal } = listening;
    socket.addEventListener('message', (event) => this.#onFrame(event.data), { signal });
    socket.addEventListener('close', (event) => this.#lost(event.code), { signal });
    this.#after('open', OPEN_LIMIT, () => this.#drop());
  }

  /** Forget the socket, whose later events then mean nothing. */
  #detach(): WebSocket | null {
    const socket = this.#socket;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#socket = null;
    for (const name of [...this.#timers.keys()]) this.#stop(name);
    return socket;
  }

  /** Give up a silent connection: on a dead network the close event may take minutes. */
  #drop(): void {
    this.#socket?.close(CLOSE_SILENT);
    this.#lost(CLOSE_SILENT);
  }

  #lost(code: number): void {
    const wasLive = this.#connection.kind === 'live';
    this.#detach();
    this.#toUnsubscribe.clear();
    this.#asked.clear();
    for (const [taskId, followed] of this.#tasks) {
      followed.state = disconnected(followed.state);
      this.#toSubscribe.add(taskId);
    }
    if (this.#tasks.size === 0) {
      this.#end();
    } else if (code >= CLOSE_STOP_FROM && code <= CLOSE_STOP_TO) {
      this.#setConnection({ kind: 'offline', reason: stopReason(code) });
    } else {
      this.#retryLater();
      // At each failed try: a token or an extension may change while the server restarts.
      if (!wasLive) void this.#askHealth();
    }
  }

  #retryLater(): void {
    const delay = this.#backoff.next();
    if (delay === null) {
      this.#setConnection({ kind: 'offline', reason: 'unreachable' });
      this.#lookLater();
      return;
    }
    const { attempt, tries } = this.#backoff;
    this.#setConnection({ kind: 'reconnecting', attempt, of: tries });
    this.#after('retry', delay, () => this.#connect());
  }

  async #askHealth(): Promise<Health> {
    const health = await this.#env.health();
    if (this.#connection.kind !== 'reconnecting' && !isUnreachable(this.#connection)) return health;
    if (health === 'absent' || health === 'login' || health === 'forbidden') {
      this.#detach()?.close(1000);
      this.#setConnection({ kind: 'offline', reason: health });
    }
    return health;
  }

  /** Look now and then, without a word, whether the server is back. */
  #lookLater(): void {
    this.#after('look', LOOK_EVERY, () => void this.#look());
  }

  async #look(): Promise<void> {
    const health = this.#env.visible() ? await this.#askHealth() : null;
    if (!isUnreachable(this.#connection) || this.#tasks.size === 0) return;
    if (health === 'present') this.reconnect();
    else this.#lookLater();
  }

  #wake(): void {
    if (this.#connection.kind === 'live') {
      // The laptop may have slept.
      this.#probe();
    } else if (this.#connection.kind !== 'offline' || isUnreachable(this.#connection)) {
      this.reconnect();
    }
  }

  /** An answer within seconds, or the connection is dead. */
  #probe(): void {
    this.#send(encodePing(this.#nextId++));
    const asked = this.#env.now();
    this.#after('wake', WAKE_LIMIT, () => {
      if (this.#lastFrame <= asked) this.#drop();
    });
  }

  /** Be told how far downloads of a task's file are; the function returned ends it. */
  followTransfers(taskId: string, listener: TransferListener): () => void {
    const listeners = this.#transfers.get(taskId) ?? new Set();
    this.#transfers.set(taskId, listeners.add(listener));
    const moving = this.#moving.get(taskId);
    if (moving) listener(moving);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#transfers.delete(taskId);
    };
  }

  #onTransfer(record: TransferRecord): void {
    const { taskId } = record;
    if (taskId === null || record.direction !== 'download') return;
    if (record.active) this.#moving.set(taskId, record);
    else this.#moving.delete(taskId);
    for (const listener of [...(this.#transfers.get(taskId) ?? [])]) listener(record);
  }

  // --- Frames -----------------------------------------------------------------------------------

  #onFrame(data: unknown): void {
    this.#lastFrame = this.#env.now();
    let message: ServerMessage;
    try {
      message = decodeServerFrame(data);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#socket?.close(1000);
      this.#lost(1006);
      return;
    }
    switch (message.type) {
      case 'hello':
        this.#onHello(message.heartbeat * 1000);
        break;
      case 'subscribed':
      case 'removed':
        this.#onTask(message.taskId, message);
        break;
      case 'event':
        this.#onTask(message.record.taskId, message);
        break;
      case 'transfer':
        this.#onTransfer(message.record);
        break;
      case 'error':
        this.#onError(message);
        break;
      case 'pong':
      case 'unknown':
        break;
    }
  }

  #onHello(heartbeat: number): void {
    this.#moving.clear();
    this.#stop('open');
    this.#heartbeat = heartbeat;
    this.#after('heartbeat', heartbeat, () => this.#beat());
    this.#after('stable', STABLE_AFTER, () => this.#backoff.reset());
    for (const taskId of this.#tasks.keys()) this.#toSubscribe.add(taskId);
    this.#setConnection({ kind: 'live' });
    this.#flush();
  }

  #onError(message: ServerError): void {
    if (message.taskId !== null) {
      this.#onTask(message.taskId, message);
      return;
    }
    this.#env.warn(`the server answered "${message.code}": ${message.message}`);
    const concerned = message.re === null ? undefined : this.#asked.get(message.re);
    for (const taskId of concerned ?? []) this.#onTask(taskId, message);
  }

  #beat(): void {
    if (this.#env.now() - this.#lastFrame >= 2 * this.#heartbeat) {
      this.#drop();
      return;
    }
    this.#send(encodePing(this.#nextId++));
    this.#after('heartbeat', this.#heartbeat, () => this.#beat());
  }

  #onTask(taskId: string, message: TaskMessage): void {
    const followed = this.#tasks.get(taskId);
    if (!followed) return;
    const before = followed.state;
    const { state, resubscribe } = reduce(before, message);
    followed.state = state;
    if (resubscribe) this.#want(taskId);
    if (state === before) return;
    for (const listener of [...followed.listeners]) listener(state, this.#connection);
  }

  #want(taskId: string): void {
    this.#toUnsubscribe.delete(taskId);
    this.#toSubscribe.add(taskId);
    this.#flushSoon();
  }

  /** Bars that appear in the same turn share one message. */
  #flushSoon(): void {
    if (this.#flushing || this.#connection.kind !== 'live') return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#connection.kind !== 'live') return;
    for (const ids of chunks([...this.#toUnsubscribe])) {
      this.#send(encodeUnsubscribe(this.#nextId++, ids));
    }
    for (const ids of chunks([...this.#toSubscribe])) {
      const positions = ids.flatMap((id) => {
        const followed = this.#tasks.get(id);
        return followed ? [position(followed.state)] : [];
      });
      if (positions.length === 0) continue;
      this.#asked.set(this.#nextId, ids);
      this.#send(encodeSubscribe(this.#nextId++, positions));
    }
    this.#toUnsubscribe.clear();
    this.#toSubscribe.clear();
  }

  #send(frame: string): void {
    if (this.#socket?.readyState === 1) this.#socket.send(frame);
  }

  // --- Bookkeeping ------------------------------------------------------------------------------

  #setConnection(connection: Connection): void {
    this.#connection = connection;
    for (const { state, listeners } of [...this.#tasks.values()]) {
      for (const listener of [...listeners]) listener(state, connection);
    }
  }

  #after(name: TimerName, milliseconds: number, run: () => void): void {
    this.#stop(name);
    const timer = this.#env.setTimeout(() => {
      this.#timers.delete(name);
      run();
    }, milliseconds);
    this.#timers.set(name, timer);
  }

  #stop(name: TimerName): void {
    const timer = this.#timers.get(name);
    if (timer === undefined) return;
    this.#env.clearTimeout(timer);
    this.#timers.delete(name);
  }
}

function isUnreachable(connection: Connection): boolean {
  return connection.kind === 'offline' && connection.reason === 'unreachable';
}

function stopReason(code: number): OfflineReason {
  switch (code) {
    case CLOSE_LOGIN:
      return 'login';
    case CLOSE_FORBIDDEN:
      return 'forbidden';
    case CLOSE_VERSION:
      return 'version';
    default:
      return 'refused';
  }
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
