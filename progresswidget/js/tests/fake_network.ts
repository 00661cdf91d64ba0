/** A clock that stands still and a network that does what the test says: the channel's ports. */

import type { Environment, Health } from '../src/channel/environment';
import type { Changes, Position, ServerMessage } from '../src/protocol';

export class VirtualClock {
  now = 0;
  /** Timers run only at multiples of so many milliseconds, as in a hidden tab. */
  grain = 1;
  #timers: { at: number; run: () => void; id: number }[] = [];
  #next = 1;

  setTimeout = (run: () => void, milliseconds: number): unknown => {
    const id = this.#next++;
    const at = Math.ceil((this.now + milliseconds) / this.grain) * this.grain;
    this.#timers.push({ at: this.grain === 1 ? this.now + milliseconds : at, run, id });
    return id;
  };

  clearTimeout = (id: unknown): void => {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  };

  get pending(): number {
    return this.#timers.length;
  }

  /** Let time pass in which nothing runs, as when a laptop sleeps. */
  sleep(milliseconds: number): void {
    this.now += milliseconds;
  }

  /** Let time pass, timer by timer, and let promises settle in between. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.clearTimeout(due.id);
      this.now = Math.max(this.now, due.at);
      due.run();
      await settle();
    }
    this.now = end;
    await settle();
  }
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** The server's end of one connection; to the page it is a WebSocket. */
export class Wire extends EventTarget {
  readyState = 0;
  readonly sent: { type: string; id: number; data: { tasks: unknown[] } }[] = [];
  closedWith: number | null = null;

  send(frame: string): void {
    if (this.readyState !== 1) throw new Error('not open');
    this.sent.push(JSON.parse(frame));
  }

  close(code: number): void {
    this.closedWith = code;
    this.readyState = 3;
  }

  say(message: object): void {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }));
  }

  hello(heartbeat = 30, timeout: number | null = null): void {
    this.readyState = 1;
    this.say({ type: 'hello', timestamp: 1, data: { session: 's', heartbeat, timeout } });
  }

  /** The connection ends from the other side. */
  break(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code }));
  }

  ofType(type: string) {
    return this.sent.filter((message) => message.type === type);
  }
}

interface Reply<T> {
  answer(message: T): void;
  fail(): void;
}

/** A question of the page by plain HTTP, until it is answered. */
export interface Poll extends Reply<ServerMessage> {
  readonly position: Position;
  readonly wait: boolean;
  readonly signal: AbortSignal;
}

/** The question for everything that changes. */
export interface Question extends Reply<Changes> {
  readonly cursor: string | null;
  readonly signal: AbortSignal;
}

export class Network {
  readonly clock = new VirtualClock();
  readonly wires: Wire[] = [];
  /** Those that wait for an answer. */
  readonly polls: Poll[] = [];
  readonly questions: Question[] = [];
  health: Health = 'unreachable';
  healthAsked = 0;
  refuses = false;
  visible = true;
  readonly warnings: string[] = [];
  wakeListeners = new Set<() => void>();

  readonly environment: Environment = {
    open: () => {
      if (this.refuses) throw new SyntaxError('no such scheme');
      const wire = new Wire();
      this.wires.push(wire);
      return wire as unknown as WebSocket;
    },
    health: async () => {
      this.healthAsked += 1;
      return this.health;
    },
    poll: (position, wait, signal) =>
      this.#asked(this.polls, signal, (reply) => ({ position, wait, signal, ...reply })),
    changes: (cursor, signal) =>
      this.#asked(this.questions, signal, (reply) => ({ cursor, signal, ...reply })),
    now: () => this.clock.now,
    setTimeout: this.clock.setTimeout,
    clearTimeout: this.clock.clearTimeout,
    random: () => 0.5,
    visible: () => this.visible,
    warn: (message) => void this.warnings.push(message),
    onWake: (run) => {
      this.wakeListeners.add(run);
      return () => this.wakeListeners.delete(run);
    },
  };

  /** Keep a question until the test, or the page, puts an end to it. */
  #asked<T, Q extends Reply<T>>(
    waiting: Q[],
    signal: AbortSignal,
    question: (reply: Reply<T>) => Q,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        waiting.splice(waiting.indexOf(asked), 1);
        signal.removeEventListener('abort', fail);
      };
      const fail = () => {
        end();
        reject(new TypeError('no answer'));
      };
      const answer = (message: T) => {
        end();
        resolve(message);
      };
      const asked = question({ answer, fail });
      waiting.push(asked);
      if (signal.aborted) fail();
      else signal.addEventListener('abort', fail);
    });
  }

  get wire(): Wire {
    const wire = this.wires.at(-1);
    if (!wire) throw new Error('no connection was opened');
    return wire;
  }

  wake(): void {
    for (const run of this.wakeListeners) run();
  }
}
