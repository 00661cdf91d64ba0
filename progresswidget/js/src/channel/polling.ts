/** The channel without a WebSocket: questions by plain HTTP, for networks that refuse the upgrade. */

import type { Position, ServerMessage } from '../protocol';
import { type Environment, Timers } from './environment';
import { Following } from './following';

/** Questions under way at once: a browser has six connections to a host, and the page needs them. */
const AT_ONCE = 2;
/** Milliseconds after which a question that is not answered never will be. */
const SILENCE = 60_000;
/** Milliseconds between two questions about one task where the server answers at once. */
const PAUSE = 1_000;

export interface PollListener {
  /** The tasks of which there may be news. */
  positions(): readonly Position[];
  /** Whether there is somebody who wants to know of tasks that nobody knows yet. */
  wantsAll(): boolean;
  /** Every task that is known. */
  known(): readonly string[];
  heard(message: ServerMessage): void;
  /** No answer, or one that cannot be read; the polling has ended. */
  failed(): void;
}

export class Polling {
  readonly #env: Environment;
  readonly #listener: PollListener;
  readonly #timers: Timers<'pause'>;
  readonly #following: Following;
  /** When each task was last asked about, the longest ago first; while it is, for ever. */
  readonly #asked = new Map<string, number>();
  #asking = 0;
  #running: AbortController | null = null;

  constructor(env: Environment, listener: PollListener) {
    this.#env = env;
    this.#listener = listener;
    this.#timers = new Timers(env);
    this.#following = new Following(env, {
      positions: () => listener.positions(),
      wantsAll: () => listener.wantsAll(),
      known: () => listener.known(),
      heard: (message) => listener.heard(message),
      failed: () => this.#fail(),
    });
  }

  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    this.look();
  }

  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#following.stop();
    this.#timers.stopAll();
    this.#asked.clear();
    this.#asking = 0;
  }

  /** Ask about what is wanted now. */
  look(): void {
    if (!this.#running) return;
    // It tells of the tasks that are shown, too: then they are not asked about one by one.
    if (this.#listener.wantsAll()) this.#following.renew();
    else this.#following.stop();
    this.#next();
  }

  /** Ask about whatever may be asked about now. */
  #next(): void {
    const running = this.#running;
    if (!running || this.#listener.wantsAll()) return;
    const positions = this.#listener.positions();
    const wait = positions.length <= AT_ONCE;
    for (const position of this.#due(positions, wait)) {
      if (this.#asking >= AT_ONCE) return;
      void this.#ask(position, wait, running);
    }
    // With many tasks each is asked in its turn, and none keeps a connection to itself.
    if (!wait) this.#timers.after('pause', PAUSE, () => this.#next());
  }

  #due(positions: readonly Position[], wait: boolean): Position[] {
    const latest = wait ? Number.MAX_VALUE : this.#env.now() - PAUSE;
    const asked = ({ taskId }: Position) => this.#asked.get(taskId) ?? -Number.MAX_VALUE;
    return positions
      .filter((position) => asked(position) <= latest)
      .sort((a, b) => asked(a) - asked(b));
  }

  #fail(): void {
    this.stop();
    this.#listener.failed();
  }

  async #ask(position: Position, wait: boolean, running: AbortController): Promise<void> {
    this.#asking += 1;
    this.#asked.set(position.taskId, Number.POSITIVE_INFINITY);
    const patience = new AbortController();
    const limit = this.#env.setTimeout(() => patience.abort(), SILENCE);
    const signal = AbortSignal.any([running.signal, patience.signal]);
    let message: ServerMessage;
    try {
      message = await this.#env.poll(position, wait, signal);
    } catch {
      if (running !== this.#running) return;
      this.#fail();
      return;
    } finally {
      this.#env.clearTimeout(limit);
    }
    if (running !== this.#running) return;
    this.#asking -= 1;
    this.#asked.set(position.taskId, this.#env.now());
    this.#listener.heard(message);
    this.#next();
  }
}
