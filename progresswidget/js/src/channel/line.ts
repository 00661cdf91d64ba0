/** The way to the server: keeps one socket alive, tries again, and polls where there can be none. */

import { Backoff } from '../backoff';
import type { Position, ServerMessage } from '../protocol';
import { type Connection, isUnreachable, lossCause, stopReason } from './connection';
import { type Environment, type Health, Timers } from './environment';
import { Polling } from './polling';
import { Socket } from './socket';

/** Milliseconds. */
const STABLE_AFTER = 30_000;
const LOOK_EVERY = 30_000;

export interface LineListener {
  /** What a person is told of the connection has changed. */
  changed(connection: Connection): void;
  /** The server listens: say what is wanted. */
  opened(): void;
  heard(message: ServerMessage): void;
  /** A socket that was open is gone, and what was asked on it with it. */
  lost(): void;
  /** The tasks to poll for. */
  positions(): readonly Position[];
  /** Whether tasks are wanted that nobody knows yet. */
  wantsAll(): boolean;
  /** Every task that is known. */
  known(): readonly string[];
}

export class Line {
  readonly #env: Environment;
  readonly #listener: LineListener;
  readonly #backoff: Backoff;
  readonly #timers: Timers<'retry' | 'stable' | 'look'>;
  readonly #polling: Polling;
  #connection: Connection = { kind: 'connecting' };
  #socket: Socket | null = null;
  #endWake: (() => void) | null = null;

  constructor(env: Environment, listener: LineListener) {
    this.#env = env;
    this.#listener = listener;
    this.#backoff = new Backoff({ random: () => env.random() });
    this.#timers = new Timers(env);
    this.#polling = new Polling(env, {
      positions: () => listener.positions(),
      wantsAll: () => listener.wantsAll(),
      known: () => listener.known(),
      heard: (message) => this.#onPolled(message),
      failed: () => this.#onPollFailed(),
    });
  }

  get connection(): Connection {
    return this.#connection;
  }

  get isLive(): boolean {
    return this.#connection.kind === 'live';
  }

  /** Be connected from now on. */
  open(): void {
    if (!this.#endWake) {
      this.#endWake = this.#env.onWake(() => this.#wake());
      this.#begin();
    } else if (isUnreachable(this.#connection)) {
      // What kept the others away may be over: who comes new does not inherit their failure.
      this.reconnect();
    }
  }

  /** End it on purpose. */
  close(): void {
    this.#hangUp();
    this.#endWake?.();
    this.#endWake = null;
    this.#backoff.reset();
    this.#connection = { kind: 'connecting' };
  }

  /** Send a message where the socket is open, and return its id. */
  send(encode: (id: number) => string): number | null {
    return this.#socket?.send(encode) ?? null;
  }

  /** There is something new to poll for. */
  look(): void {
    this.#polling.look();
  }

  /** Begin a fresh round of tries: the person asked for it. */
  reconnect(): void {
    if (this.isLive || !this.#endWake) return;
    this.#backoff.reset();
    // One that is being opened may hang on a network that is gone.
    this.#socket?.close();
    if (this.#connection.kind === 'polling') this.#connect();
    else this.#begin();
  }

  /** The host sees the server again, and with a login that holds. */
  signOfLife(): void {
    const { kind } = this.#connection;
    const reason = this.#connection.kind === 'offline' ? this.#connection.reason : null;
    const mayBeOver = reason === 'unreachable' || reason === 'login' || reason === 'absent';
    if (kind === 'reconnecting' || mayBeOver) this.reconnect();
  }

  /** The host has lost the server: a live socket has to prove itself. */
  signOfLoss(): void {
    if (this.isLive) this.#socket?.probe();
  }

  #wake(): void {
    // The laptop may have slept.
    if (this.isLive) this.#socket?.probe();
    else if (this.#connection.kind !== 'offline' || isUnreachable(this.#connection)) {
      this.reconnect();
    }
  }

  // --- The socket -------------------------------------------------------------------------------

  #begin(): void {
    this.#change({ kind: 'connecting' });
    this.#connect();
  }

  #connect(): void {
    this.#timers.stopAll();
    try {
      this.#socket = new Socket(this.#env, {
        opened: () => this.#onOpened(),
        heard: (message) => this.#listener.heard(message),
        lost: (code) => this.#onLost(code),
      });
    } catch {
      // A SyntaxError or SecurityError of the constructor: no later try would fare better.
      this.#stopWith('refused');
    }
  }

  #onOpened(): void {
    this.#polling.stop();
    this.#timers.after('stable', STABLE_AFTER, () => this.#backoff.reset());
    this.#change({ kind: 'live' });
    this.#listener.opened();
  }

  #onLost(code: number): void {
    const wasLive = this.isLive;
    this.#socket = null;
    this.#timers.stopAll();
    if (wasLive) this.#listener.lost();
    const reason = stopReason(code);
    if (reason !== null) {
      this.#stopWith(reason);
      return;
    }
    this.#retryLater(code);
    // At each failed try: a token or an extension may change while the server restarts.
    if (!wasLive) void this.#askHealth();
  }

  #retryLater(code: number): void {
    const delay = this.#backoff.next();
    if (this.#connection.kind === 'polling') {
      this.#timers.after('retry', delay ?? LOOK_EVERY, () => this.#connect());
      return;
    }
    if (delay === null) {
      this.#stopWith('unreachable');
      this.#lookLater();
      return;
    }
    const { attempt, tries } = this.#backoff;
    this.#change({ kind: 'reconnecting', attempt, of: tries, cause: lossCause(code) });
    this.#timers.after('retry', delay, () => this.#connect());
  }

  #stopWith(reason: Extract<Connection, { kind: 'offline' }>['reason']): void {
    this.#hangUp();
    this.#change({ kind: 'offline', reason });
  }

  #hangUp(): void {
    this.#socket?.close();
    this.#socket = null;
    this.#timers.stopAll();
    this.#polling.stop();
  }

  // --- By plain HTTP ----------------------------------------------------------------------------

  async #askHealth(): Promise<Health> {
    const health = await this.#env.health();
    if (this.#connection.kind !== 'reconnecting' && !isUnreachable(this.#connection)) return health;
    if (health === 'absent' || health === 'login' || health === 'forbidden') this.#stopWith(health);
    // The server is there, and it is the way to it that takes no WebSocket.
    else if (health === 'present' && !isUnreachable(this.#connection)) this.#polling.start();
    return health;
  }

  #onPolled(message: ServerMessage): void {
    if (this.#connection.kind === 'reconnecting') this.#change({ kind: 'polling' });
    this.#listener.heard(message);
  }

  #onPollFailed(): void {
    // Else the tries for a socket go on by themselves.
    if (this.#connection.kind !== 'polling') return;
    this.#backoff.reset();
    if (this.#socket) this.#change({ kind: 'connecting' });
    else this.#begin();
  }

  /** Look now and then, without a word, whether the server is back. */
  #lookLater(): void {
    this.#timers.after('look', LOOK_EVERY, () => void this.#look());
  }

  async #look(): Promise<void> {
    const health = this.#env.visible() ? await this.#askHealth() : null;
    if (!isUnreachable(this.#connection)) return;
    if (health === 'present') this.reconnect();
    else this.#lookLater();
  }

  #change(connection: Connection): void {
    this.#connection = connection;
    this.#listener.changed(connection);
  }
}
