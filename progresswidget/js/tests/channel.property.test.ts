import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Channel } from '../src/channel/channel';
import { decodeServerFrame } from '../src/frames';
import type { TaskState } from '../src/reducer';
import { Network, settle } from './fake_network';
import { ModelServer } from './model_server';

const TASKS = [...'abc'].map((digit) => digit.repeat(32));

/** A page that follows some tasks, and holds each state that it is shown against the truth. */
class Page {
  readonly network = new Network();
  readonly channel = new Channel(this.network.environment);
  readonly server = new ModelServer(this.network, TASKS);
  readonly states = new Map<string, TaskState>();
  readonly lies: string[] = [];
  readonly #ends = new Map<string, () => void>();

  follow(taskId: string): void {
    if (this.#ends.has(taskId)) return;
    const end = this.channel.follow(taskId, (state) => this.#show(state));
    this.#ends.set(taskId, end);
  }

  unfollow(taskId: string): void {
    this.#ends.get(taskId)?.();
    this.#ends.delete(taskId);
    this.states.delete(taskId);
  }

  get followed(): string[] {
    return [...this.#ends.keys()];
  }

  /** Answer some of the questions by plain HTTP, or fail them. */
  async poll(answers: boolean): Promise<void> {
    for (const poll of [...this.network.polls]) {
      const message = JSON.stringify(this.server.answer(poll.position, null));
      if (answers) poll.answer(decodeServerFrame(message));
      else poll.fail();
    }
    await settle();
  }

  /** Let everything work again, by a socket or without, and wait until the page is told the rest. */
  async heal(bySocket: boolean): Promise<void> {
    this.server.admits = bySocket;
    this.network.health = 'present';
    if (!bySocket) this.server.break(1006);
    for (let turn = 0; turn < 40; turn += 1) {
      this.network.wake();
      await this.network.clock.advance(3_000);
      for (const taskId of TASKS) {
        // A gap shows with the next event; the last turns are quiet.
        if (turn < 20) this.server.publish(taskId);
        this.server.push(taskId);
      }
      this.server.listen();
      this.server.deliver(100);
      await settle();
      await this.poll(true);
    }
  }

  #show(state: TaskState): void {
    const { taskId, epoch, seq, record } = state;
    const before = this.states.get(taskId);
    this.states.set(taskId, state);
    if (record === null || epoch === null) return;
    // Every state that is shown was true at the very position that it is shown for.
    const right = record.revision === this.server.truth(taskId, epoch, seq);
    // What is applied goes on: never back, and never twice.
    const on = before?.epoch !== epoch || seq >= before.seq;
    // An error that a listener throws ends with the event: it is kept.
    if (!right || !on) this.lies.push(`${epoch} ${seq} as ${record.revision}`);
  }
}

type Step = (page: Page) => void | Promise<void>;

const task = fc.constantFrom(...TASKS);
const named = <T>(name: string, values: fc.Arbitrary<T>, run: (page: Page, value: T) => unknown) =>
  values.map((value) => {
    const step: Step = async (page) => void (await run(page, value));
    return Object.assign(step, { toString: () => `${name} ${String(value)}` });
  });

const STEPS = fc.oneof(
  { weight: 3, arbitrary: named('publish', task, ({ server }, id) => server.publish(id)) },
  {
    weight: 8,
    arbitrary: named('news', fc.tuple(task, fc.nat(3)), ({ server }, [id, more]) => {
      for (let n = 0; n <= more; n += 1) {
        server.publish(id);
        server.push(id);
      }
    }),
  },
  { weight: 8, arbitrary: named('listen', fc.constant(''), ({ server }) => server.listen()) },
  { weight: 8, arbitrary: named('deliver', fc.nat(4), ({ server }, most) => server.deliver(most)) },
  {
    weight: 3,
    arbitrary: named('break', fc.constantFrom(1006, 4001, 4008, 4499), ({ server }, code) =>
      server.break(code),
    ),
  },
  named('hang up', fc.constant(''), ({ server }) => server.hangUp()),
  named('trim', task, ({ server }, id) => server.trim(id)),
  named('rebase', fc.boolean(), ({ server }, says) => server.rebase(says)),
  {
    weight: 3,
    arbitrary: named('garble', fc.constantFrom('lose', 'repeat', 'swap'), ({ server }, how) =>
      server.garble(how),
    ),
  },
  named('overflow', fc.constant(''), ({ server }) => server.overflow()),
  named('admit', fc.boolean(), ({ server }, admits) => {
    server.admits = admits;
  }),
  named('health', fc.constantFrom('present', 'unreachable'), ({ network }, health) => {
    network.health = health;
  }),
  named('poll', fc.boolean(), (page, answers) => page.poll(answers)),
  named('wake', fc.constant(''), ({ network }) => network.wake()),
  named('click', fc.constant(''), ({ channel }) => channel.reconnect()),
  named('follow', task, (page, id) => page.follow(id)),
  named('unfollow', task, (page, id) => page.unfollow(id)),
  {
    weight: 6,
    arbitrary: named('wait', fc.integer({ min: 1, max: 3_000 }), ({ network }, milliseconds) =>
      network.clock.advance(milliseconds),
    ),
  },
  named('wait long', fc.integer({ min: 10_000, max: 90_000 }), ({ network }, milliseconds) =>
    network.clock.advance(milliseconds),
  ),
);

describe('whatever happens to the network and the server', () => {
  it('shows nothing that was never true, and the truth in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(STEPS, { maxLength: 80, size: 'max' }),
        fc.boolean(),
        async (steps, bySocket) => {
          const page = new Page();
          page.follow(TASKS[0] as string);
          for (const step of steps) {
            await step(page);
            await settle();
          }
          await page.heal(bySocket);
          expect(page.lies).toEqual([]);
          for (const taskId of page.followed) {
            const { epoch, seq, record, awaiting } = page.states.get(taskId) as TaskState;
            expect({ epoch, seq, revision: record?.revision }).toEqual(page.server.now(taskId));
            expect(awaiting).toBe(false);
          }
          if (page.followed.length > 0) {
            expect(page.channel.connection).toEqual({ kind: bySocket ? 'live' : 'polling' });
          }
        },
      ),
      { numRuns: 400, seed: 20_130_101 },
    );
  }, 60_000);
});
