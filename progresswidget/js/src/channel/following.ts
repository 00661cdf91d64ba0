/** All tasks and transfers without a WebSocket: one question that waits for whatever changes. */

import type { Changes } from '../protocol';
import { type Environment, Timers } from './environment';
import type { PollListener } from './polling';

/** Milliseconds after which a question that is not answered never will be. */
const SILENCE = 60_000;
/** Milliseconds between two questions, where there is always something new. */
const PAUSE = 500;

export class Following {
  readonly #env: Environment;
  readonly #listener: PollListener;
  readonly #timers: Timers<'pause' | 'silence'>;
  #cursor: string | null = null;
  #asked = Number.NEGATIVE_INFINITY;
  #running: AbortController | null = null;

  constructor(env: Environment, listener: PollListener) {
    this.#env = env;
    this.#listener = listener;
    this.#timers = new Timers(env);
  }

  /** Ask for everything anew, once those who want something have all said so. */
  renew(): void {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    queueMicrotask(() => {
      if (!running.signal.aborted) void this.#ask(running);
    });
  }

  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#cursor = null;
    this.#timers.stopAll();
  }

  async #ask(running: AbortController): Promise<void> {
    this.#asked = this.#env.now();
    const patience = new AbortController();
    this.#timers.after('silence', SILENCE, () => patience.abort());
    let changes: Changes;
    try {
      const signal = AbortSignal.any([running.signal, patience.signal]);
      changes = await this.#env.changes(this.#cursor, signal);
    } catch {
      if (running === this.#running) this.#listener.failed();
      return;
    }
    if (running !== this.#running) return;
    this.#timers.stop('silence');
    this.#cursor = changes.cursor;
    this.#tell(changes);
    // Whoever heard may have ended it, or have asked for more.
    if (running !== this.#running) return;
    const rest = this.#asked + PAUSE - this.#env.now();
    this.#timers.after('pause', Math.max(0, rest), () => void this.#ask(running));
  }

  #tell({ complete, messages }: Changes): void {
    if (complete) {
      const there = new Set(
        messages.flatMap((message) => (message.type === 'subscribed' ? [message.taskId] : [])),
      );
      this.#listener.heard({ type: 'watching', all: true, tasks: there.size });
      for (const taskId of this.#listener.known()) {
        if (!there.has(taskId)) this.#listener.heard({ type: 'removed', taskId });
      }
    }
    for (const message of messages) this.#listener.heard(message);
  }
}
