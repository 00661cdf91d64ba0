/** What the channel needs of the world: a clock, timers, sockets and the signs that a page wakes up. */

import type { Changes, Position, ServerMessage } from '../protocol';

/** What a plain request says about a server whose socket did not open. */
export type Health = 'present' | 'absent' | 'login' | 'forbidden' | 'unreachable';

/** The ports of the channel, so that every path can be walked under a virtual clock. */
export interface Environment {
  /** Open the socket; the subprotocol is the caller's affair. */
  open(): WebSocket;
  /** Ask by plain HTTP: a page is told nothing about a WebSocket that was refused. */
  health(): Promise<Health>;
  /**
   * Ask for what came after a position, by plain HTTP.
   *
   * @param wait Whether the server may keep the answer back until there is something to say.
   * @throws Error if the answer does not come or cannot be read.
   */
  poll(position: Position, wait: boolean, signal: AbortSignal): Promise<ServerMessage>;
  /**
   * Ask for everything, or for what has changed since a cursor, by plain HTTP.
   *
   * @throws Error if the answer does not come or cannot be read.
   */
  changes(cursor: string | null, signal: AbortSignal): Promise<Changes>;
  /** Monotonic milliseconds. */
  now(): number;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
  random(): number;
  /** Whether the page is looked at. */
  visible(): boolean;
  /** Tell a developer what no person can be told, with the error that it came by. */
  warn(message: string, error?: unknown): void;
  /** Call `run` when the network is back or the page is looked at; returns the end of it. */
  onWake(run: () => void): () => void;
}

/** Tell each of them: one that fails keeps no other from what it is told. */
export function tellEach<T>(env: Environment, those: Iterable<T>, tell: (one: T) => void): void {
  for (const one of [...those]) {
    try {
      tell(one);
    } catch (error) {
      env.warn('a listener failed', error);
    }
  }
}

/** Timers by name: each runs once, and setting one again replaces it. */
export class Timers<Name extends string> {
  readonly #env: Environment;
  readonly #running = new Map<Name, unknown>();

  constructor(env: Environment) {
    this.#env = env;
  }

  after(name: Name, milliseconds: number, run: () => void): void {
    this.stop(name);
    const timer = this.#env.setTimeout(() => {
      this.#running.delete(name);
      run();
    }, milliseconds);
    this.#running.set(name, timer);
  }

  stop(name: Name): void {
    const timer = this.#running.get(name);
    if (timer === undefined) return;
    this.#env.clearTimeout(timer);
    this.#running.delete(name);
  }

  stopAll(): void {
    for (const name of [...this.#running.keys()]) this.stop(name);
  }
}
