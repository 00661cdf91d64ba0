import { describe, expect, it, vi } from 'vitest';
import { isUnreachable } from '../src/channel/connection';
import { Timers } from '../src/channel/environment';
import { Following } from '../src/channel/following';
import { Heartbeat } from '../src/channel/heartbeat';
import { Line } from '../src/channel/line';
import { Polling } from '../src/channel/polling';
import { Socket } from '../src/channel/socket';
import { type Followed, Subscriptions } from '../src/channel/subscriptions';
import { isOf, Targets } from '../src/channel/targets';
import { Transfers } from '../src/channel/transfers';
import type { Position, ServerMessage, TransferRecord } from '../src/protocol';
import { newTask } from '../src/reducer';
import { Network, settle } from './fake_network';
import { record, TASK } from './records';

const OTHER = 'f'.repeat(32);

describe('a timer by name', () => {
  it('replaces the one before of its name, and leaves the others', async () => {
    const { clock, environment } = new Network();
    const timers = new Timers<'a' | 'b'>(environment);
    const ran: string[] = [];
    timers.after('a', 10, () => ran.push('first a'));
    timers.after('b', 20, () => ran.push('b'));
    timers.after('a', 30, () => ran.push('second a'));
    await clock.advance(100);
    expect(ran).toEqual(['b', 'second a']);
  });

  it('runs no more once it is stopped, alone or with all', async () => {
    const { clock, environment } = new Network();
    const timers = new Timers<'a' | 'b' | 'c'>(environment);
    const ran = vi.fn();
    for (const name of ['a', 'b', 'c'] as const) timers.after(name, 10, ran);
    timers.stop('a');
    expect(clock.pending).toBe(2);
    timers.stopAll();
    await clock.advance(100);
    expect(ran).not.toHaveBeenCalled();
  });
});

describe('the heartbeat', () => {
  function beating(timeout = 2_000) {
    const network = new Network();
    const pulse = { ping: vi.fn(), dead: vi.fn() };
    const heart = new Heartbeat(network.environment, pulse);
    heart.heard();
    heart.start(1_000, timeout);
    return { ...network, clock: network.clock, pulse, heart };
  }

  it('asks after a silence, and gives up after a second one', async () => {
    const { clock, pulse } = beating();
    await clock.advance(999);
    expect(pulse.ping).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(pulse.ping).toHaveBeenCalledOnce();
    await clock.advance(1_000);
    expect(pulse.dead).toHaveBeenCalledOnce();
  });

  it('waits for an answer as long as it was told', async () => {
    const { clock, pulse } = beating(6_000);
    await clock.advance(5_999);
    expect(pulse.ping).toHaveBeenCalledOnce();
    expect(pulse.dead).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(pulse.dead).toHaveBeenCalledOnce();
  });

  it('asks nothing of a server that speaks', async () => {
    const { clock, pulse, heart } = beating();
    for (let turn = 0; turn < 10; turn += 1) {
      await clock.advance(600);
      heart.heard();
    }
    expect(pulse.ping).not.toHaveBeenCalled();
  });

  it('gives a page that was held up time to read what came meanwhile', async () => {
    const { clock, pulse, heart } = beating();
    await clock.advance(1_000);
    clock.sleep(60_000);
    await clock.advance(0);
    expect(pulse.dead).not.toHaveBeenCalled();
    heart.heard();
    await clock.advance(900);
    expect(pulse.dead).not.toHaveBeenCalled();
  });

  it('has a probe answered within seconds, or it is dead', async () => {
    const { clock, pulse, heart } = beating();
    heart.start(60_000, 120_000);
    heart.probe();
    await clock.advance(4_999);
    expect(pulse.dead).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(pulse.dead).toHaveBeenCalledOnce();
  });

  it('is silent once it is stopped', async () => {
    const { clock, pulse, heart } = beating();
    heart.probe();
    heart.stop();
    pulse.ping.mockClear();
    await clock.advance(100_000);
    expect(pulse.ping).not.toHaveBeenCalled();
    expect(pulse.dead).not.toHaveBeenCalled();
  });
});

describe('one socket', () => {
  function opened() {
    const network = new Network();
    const listener = { opened: vi.fn(), heard: vi.fn(), lost: vi.fn() };
    const socket = new Socket(network.environment, listener);
    return { network, listener, socket };
  }

  it('is of use from the hello on, and numbers what it sends', () => {
    const { network, listener, socket } = opened();
    expect(listener.opened).not.toHaveBeenCalled();
    network.wire.hello();
    expect(listener.opened).toHaveBeenCalledOnce();
    const frame = (id: number) => JSON.stringify({ type: 'x', id });
    expect([socket.send(frame), socket.send(frame)]).toEqual([1, 2]);
    expect(network.wire.sent.map(({ id }) => id)).toEqual([1, 2]);
  });

  it('is given up where no hello comes', async () => {
    const { network, listener } = opened();
    await network.clock.advance(10_000);
    expect(listener.lost).toHaveBeenCalledOnce();
    expect(network.wire.readyState).toBe(3);
    await network.clock.advance(100_000);
    expect(listener.lost).toHaveBeenCalledOnce();
  });

  it('is lost with the code of the other side, once', () => {
    const { network, listener } = opened();
    network.wire.hello();
    network.wire.break(4501);
    network.wire.break(1006);
    expect(listener.lost.mock.calls).toEqual([[4501]]);
  });

  it('is dropped at a frame that cannot be read, as if the line had broken', () => {
    const { network, listener } = opened();
    network.wire.hello();
    network.wire.say({ type: 'task_complete', data: 5 });
    expect(listener.lost.mock.calls).toEqual([[1006]]);
  });

  it('tells nobody of an end that was meant', async () => {
    const { network, listener, socket } = opened();
    network.wire.hello();
    socket.close();
    expect(network.wire.closedWith).toBe(1000);
    network.wire.break(1000);
    await network.clock.advance(100_000);
    expect(listener.lost).not.toHaveBeenCalled();
  });
});

const message = (taskId: string): ServerMessage => ({ type: 'removed', taskId }) as ServerMessage;
const position = (taskId: string): Position => ({ taskId, epoch: 'E', seq: 1 }) as Position;

function pollListener(positions: Position[] = [], all = false) {
  return {
    positions: () => positions,
    wantsAll: () => all,
    known: () => [TASK, OTHER],
    heard: vi.fn(),
    failed: vi.fn(),
  };
}

describe('polling', () => {
  it('asks at once, and again after each answer', async () => {
    const network = new Network();
    const listener = pollListener([position(TASK)]);
    const polling = new Polling(network.environment, listener);
    polling.start();
    expect(network.polls.map(({ wait }) => wait)).toEqual([true]);
    network.polls[0]?.answer(message(TASK));
    await settle();
    expect(listener.heard).toHaveBeenCalledOnce();
    expect(network.polls).toHaveLength(1);
  });

  it('keeps two connections of a browser at most, and takes turns', async () => {
    const network = new Network();
    const ids = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(32));
    const polling = new Polling(network.environment, pollListener(ids.map(position)));
    polling.start();
    const asked: string[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      expect(network.polls.length).toBeLessThanOrEqual(2);
      expect(network.polls.every(({ wait }) => !wait)).toBe(true);
      const [poll] = network.polls;
      if (poll) asked.push(poll.position.taskId);
      poll?.answer(message(poll.position.taskId));
      await settle();
    }
    expect(new Set(asked)).toEqual(new Set(ids));
  });

  it('ends at a failure, and lets nothing go on', async () => {
    const network = new Network();
    const listener = pollListener([position(TASK), position(OTHER)]);
    new Polling(network.environment, listener).start();
    const [first] = network.polls;
    first?.fail();
    await settle();
    expect(listener.failed).toHaveBeenCalledOnce();
    expect(network.polls).toHaveLength(0);
    await network.clock.advance(100_000);
    expect(network.polls).toHaveLength(0);
  });

  it('takes a question that nobody answers for lost', async () => {
    const network = new Network();
    const listener = pollListener([position(TASK)]);
    new Polling(network.environment, listener).start();
    await network.clock.advance(60_000);
    expect(listener.failed).toHaveBeenCalledOnce();
  });

  it('asks one question for everything where somebody wants all', async () => {
    const network = new Network();
    new Polling(network.environment, pollListener([position(TASK)], true)).start();
    await settle();
    expect(network.polls).toHaveLength(0);
    expect(network.questions.map(({ cursor }) => cursor)).toEqual([null]);
  });
});

describe('following everything', () => {
  it('says first what is gone, then what is there, and goes on from the cursor', async () => {
    const network = new Network();
    const listener = pollListener();
    new Following(network.environment, listener).renew();
    await settle();
    const there = {
      type: 'subscribed',
      taskId: TASK,
      recovered: false,
      snapshot: record(),
    } as unknown as ServerMessage;
    network.questions[0]?.answer({ cursor: 'c1', complete: true, messages: [there] });
    await settle();
    expect(listener.heard.mock.calls.map(([heard]) => heard)).toEqual([
      { type: 'watching', all: true, tasks: 1 },
      { type: 'removed', taskId: OTHER },
      there,
    ]);
    await network.clock.advance(500);
    expect(network.questions.map(({ cursor }) => cursor)).toEqual(['c1']);
  });

  it('forgets the cursor when it is stopped', async () => {
    const network = new Network();
    const following = new Following(network.environment, pollListener());
    following.renew();
    await settle();
    network.questions[0]?.answer({ cursor: 'c1', complete: false, messages: [] });
    await settle();
    following.stop();
    await network.clock.advance(10_000);
    expect(network.questions).toHaveLength(0);
    following.renew();
    await settle();
    expect(network.questions.map(({ cursor }) => cursor)).toEqual([null]);
  });
});

describe('the line', () => {
  function line(network = new Network()) {
    const listener = {
      changed: vi.fn(),
      opened: vi.fn(),
      heard: vi.fn(),
      lost: vi.fn(),
      positions: () => [],
      wantsAll: () => false,
      known: () => [],
    };
    return { network, listener, line: new Line(network.environment, listener) };
  }
  const kinds = ({ changed }: { changed: { mock: { calls: unknown[][] } } }) =>
    changed.mock.calls.map(([connection]) => (connection as { kind: string }).kind);

  it('opens one socket, however often it is opened', async () => {
    const { network, listener, line: one } = line();
    one.open();
    one.open();
    expect(network.wires).toHaveLength(1);
    network.wire.hello();
    expect(one.isLive).toBe(true);
    expect(kinds(listener)).toEqual(['connecting', 'live']);
  });

  it('says that it tries again, and gives up after five tries', async () => {
    const { network, line: one, listener } = line();
    one.open();
    network.wire.hello();
    for (let turn = 0; turn < 6; turn += 1) {
      network.wire.break(1006);
      await network.clock.advance(20_000);
    }
    expect(one.connection).toEqual({ kind: 'offline', reason: 'unreachable' });
    expect(isUnreachable(one.connection)).toBe(true);
    expect(listener.lost).toHaveBeenCalledOnce();
  });

  it('comes back when the page wakes up', async () => {
    const { network, line: one } = line();
    one.open();
    for (let turn = 0; turn < 6; turn += 1) {
      network.wire.break(1006);
      await network.clock.advance(20_000);
    }
    const before = network.wires.length;
    network.wake();
    expect(network.wires).toHaveLength(before + 1);
    network.wire.hello();
    expect(one.isLive).toBe(true);
  });

  it('does not try what can never be opened', async () => {
    const network = new Network();
    network.refuses = true;
    const { line: one } = line(network);
    one.open();
    expect(one.connection).toEqual({ kind: 'offline', reason: 'refused' });
    await network.clock.advance(100_000);
    expect(network.wires).toHaveLength(0);
  });

  it('hangs up for good when it is closed', async () => {
    const { network, line: one } = line();
    one.open();
    network.wire.hello();
    one.close();
    expect(network.wire.closedWith).toBe(1000);
    network.wake();
    await network.clock.advance(100_000);
    expect(network.wires).toHaveLength(1);
  });
});

describe('who follows downloads', () => {
  const moving = (changes: Partial<TransferRecord> = {}) =>
    ({ taskId: TASK, direction: 'download', active: true, ...changes }) as TransferRecord;

  it('hears of those of its task, also of one that had begun before', () => {
    const transfers = new Transfers(new Network().environment);
    transfers.take(moving());
    const heard = vi.fn();
    const end = transfers.follow(TASK, heard);
    expect(heard).toHaveBeenCalledOnce();
    transfers.take(moving({ taskId: OTHER }));
    transfers.take(moving({ direction: 'upload' }));
    expect(heard).toHaveBeenCalledOnce();
    end();
    transfers.take(moving());
    expect(heard).toHaveBeenCalledOnce();
  });

  it('hears nothing of one that has ended, or was forgotten', () => {
    const transfers = new Transfers(new Network().environment);
    transfers.take(moving());
    transfers.take(moving({ active: false }));
    const heard = vi.fn();
    transfers.follow(TASK, heard);
    transfers.take(moving({ taskId: OTHER }));
    transfers.forget();
    transfers.follow(OTHER, heard);
    expect(heard).not.toHaveBeenCalled();
  });
});

describe('who follows what has something in common', () => {
  const state = (changes = {}) => ({ ...newTask(TASK), record: record(changes) });
  const part = state({ notebook: 'a.ipynb', parent: OTHER });

  it('is the first or the last of its target, and hears of the tasks of it alone', () => {
    const targets = new Targets();
    const [one, other] = [vi.fn(), vi.fn()];
    expect(targets.add({ notebook: 'a.ipynb' }, one)).toBe(true);
    expect(targets.add({ notebook: 'a.ipynb' }, other)).toBe(false);
    expect(targets.add({ parent: OTHER }, other)).toBe(true);
    expect(targets.all).toEqual([{ notebook: 'a.ipynb' }, { parent: OTHER }]);
    expect(targets.listenersOf(part)).toEqual([one, other, other]);
    expect(targets.has(state({ notebook: 'b.ipynb' }))).toBe(false);
    expect(targets.remove({ notebook: 'a.ipynb' }, one)).toBe(false);
    expect(targets.remove({ notebook: 'a.ipynb' }, one)).toBe(false);
    expect(targets.remove({ notebook: 'a.ipynb' }, other)).toBe(true);
    expect([targets.size, targets.has(part)]).toEqual([1, true]);
  });

  it('is told apart by what the record of a task says', () => {
    expect(isOf(part, { parent: OTHER })).toBe(true);
    expect(isOf(part, { notebook: 'b.ipynb' })).toBe(false);
    expect(isOf(newTask(TASK), { notebook: 'a.ipynb' })).toBe(false);
  });
});

describe('subscriptions', () => {
  function subscribed() {
    const network = new Network();
    const nothing = () => {};
    const line = new Line(network.environment, {
      changed: nothing,
      opened: nothing,
      heard: nothing,
      lost: nothing,
      positions: () => [],
      wantsAll: () => false,
      known: () => [],
    });
    const tasks = new Map<string, Followed>();
    const know = (id: string) => {
      tasks.set(id, { state: newTask(id), listeners: new Set(), question: 0 });
      return id;
    };
    const subscriptions = new Subscriptions(line, tasks);
    const sent = () => network.wire.sent.map(({ type, data }) => [type, data.tasks.length]);
    return { network, line, tasks, know, subscriptions, sent };
  }

  it('of one turn share a message, and those that were given up at once leave with none', async () => {
    const { network, line, know, subscriptions, sent } = subscribed();
    line.open();
    network.wire.hello();
    subscriptions.want(know(TASK));
    subscriptions.want(know(OTHER));
    subscriptions.drop(TASK);
    await settle();
    expect(sent()).toEqual([['subscribe', 1]]);
    subscriptions.drop(OTHER);
    await settle();
    expect(sent().at(-1)).toEqual(['unsubscribe', 1]);
  });

  it('are more than one message where there are too many for a frame', () => {
    const { network, line, know, subscriptions, sent } = subscribed();
    for (let number = 0; number < 900; number += 1) know(number.toString(16).padStart(32, '0'));
    subscriptions.wantAll();
    line.open();
    network.wire.hello();
    subscriptions.wantAll();
    expect(sent()).toEqual([
      ['subscribe', 400],
      ['subscribe', 400],
      ['subscribe', 100],
    ]);
  });

  it('take no answer to a question that was asked again', async () => {
    const { network, line, tasks, know, subscriptions } = subscribed();
    line.open();
    network.wire.hello();
    subscriptions.want(know(TASK));
    await settle();
    const first = tasks.get(TASK)?.question as number;
    subscriptions.want(TASK);
    await settle();
    expect(subscriptions.isLate(TASK, first)).toBe(true);
    expect(subscriptions.isLate(TASK, first + 1)).toBe(false);
    expect(subscriptions.isLate(TASK, null)).toBe(false);
    expect(subscriptions.isLate(OTHER, 0)).toBe(false);
  });
});
