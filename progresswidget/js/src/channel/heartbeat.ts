/** Signs of life on one socket: a page sees no protocol pings, so it asks in the application. */

import { type Environment, Timers } from './environment';

/** Milliseconds in which a page that was held up gets an answer, or the connection is dead. */
const PROBE_LIMIT = 5_000;
/** Milliseconds by which a timer may be late on a machine that is merely busy. */
const LATE = 1_000;

export interface Pulse {
  /** Ask for a sign of life. */
  ping(): void;
  /** None came. */
  dead(): void;
}

export class Heartbeat {
  readonly #env: Environment;
  readonly #pulse: Pulse;
  readonly #timers: Timers<'beat' | 'probe'>;
  #interval = 0;
  /** Milliseconds that an answer may take. */
  #patience = 0;
  #heard = 0;
  /** Whether a ping went out since the last frame came in. */
  #asked = false;

  constructor(env: Environment, pulse: Pulse) {
    this.#env = env;
    this.#pulse = pulse;
    this.#timers = new Timers(env);
  }

  /**
   * Begin to listen.
   *
   * @param interval milliseconds of silence that are answered with a ping
   * @param timeout milliseconds of silence that mean that nobody is there
   */
  start(interval: number, timeout: number): void {
    this.#interval = interval;
    this.#patience = Math.max(timeout - interval, LATE);
    this.#beatAfter(interval);
  }

  /** Any frame is a sign of life. */
  heard(): void {
    this.#heard = this.#env.now();
    this.#asked = false;
    this.#timers.stop('probe');
  }

  /** An answer within seconds, or the connection is dead: the laptop may have slept. */
  probe(): void {
    this.#ask();
    this.#timers.after('probe', PROBE_LIMIT, () => this.#pulse.dead());
  }

  stop(): void {
    this.#timers.stopAll();
  }

  #beatAfter(milliseconds: number): void {
    const due = this.#env.now() + milliseconds;
    this.#timers.after('beat', milliseconds, () => this.#beat(this.#env.now() - due));
  }

  #beat(late: number): void {
    const silent = this.#env.now() - this.#heard;
    if (silent < this.#interval) {
      this.#beatAfter(this.#interval - silent);
      return;
    }
    if (!this.#asked) {
      this.#ask();
    } else if (late > LATE) {
      // What came while the page was held up is not read yet, and that is no silence of the server's.
      this.probe();
    } else {
      this.#pulse.dead();
      return;
    }
    this.#beatAfter(this.#patience);
  }

  #ask(): void {
    this.#asked = true;
    this.#pulse.ping();
  }
}
