import { queryObjects } from 'node:v8';
import { beforeEach, describe, expect, it } from 'vitest';
import { Channel, sharedChannel } from '../src/channel/channel';
import type { Connection } from '../src/channel/connection';
import { decodeChanges, decodeServerFrame } from '../src/frames';
import { MAX_FRAME } from '../src/protocol';
import type { TaskState } from '../src/reducer';
import { Network, settle } from './fake_network';
import { DONE, record, TASK } from './records';

const OTHER = 'f'.repeat(32);

let network: Network;
let channel: Channel;
let heard: { task: TaskState; connection: Connection }[];

const listen = (task: TaskState, connection: Connection) => void heard.push({ task, connection });
const last = () => {
  const entry = heard.at(-1);
  if (!entry) throw new Error('nothing was heard');
  return entry;
};
/** The newest question that was asked. */
const question = () => network.wires.at(-1)?.ofType('subscribe').at(-1)?.id ?? null;
const snapshot = (seq: number, epoch = 'E', taskId = TASK) => ({
  type: 'subscribed',
  re: question(),
  timestamp: 1,
  epoch,
  seq,
  data: { taskId, recovered: false, snapshot: record({ taskId, revision: seq }) },
});
const progress = (from: number, seq: number, epoch = 'E') => ({
  type: 'progress_update',
  timestamp: 1,
  epoch,
  from,
  seq,
  data: record({ revision: seq }),
});

/** A channel that is live and follows one task at event 17. */
function live(): () => void {
  const end = channel.follow(TASK, listen);
  network.wire.hello();
  network.wire.say(snapshot(17));
  return end;
}

beforeEach(() => {
  network = new Network();
  channel = new Channel(network.environment);
  heard = [];
});

describe('following', () => {
  it('opens one socket, waits for hello, then subscribes to all in one message', async () => {
    channel.follow(TASK, listen);
    channel.follow(OTHER, listen);
    expect(network.wires).toHaveLength(1);
    expect(last().connection).toEqual({ kind: 'connecting' });
    network.wire.hello();
    await settle();
    expect(network.wire.sent).toEqual([
      { type: 'subscribe', id: 1, data: { tasks: [{ taskId: TASK }, { taskId: OTHER }] } },
    ]);
    expect(last().connection).toEqual({ kind: 'live' });
  });

  it('hears the snapshot, then each event', () => {
    live();
    expect(last().task.record?.revision).toBe(17);
    network.wire.say(progress(18, 21));
    expect(last().task).toMatchObject({ seq: 21, record: { revision: 21 } });
  });

  it('shares one subscription among the views of a task', async () => {
    live();
    channel.follow(TASK, listen);
    await settle();
    expect(last().task.seq).toBe(17);
    expect(network.wire.ofType('subscribe')).toHaveLength(1);
  });

  it('puts what appears in one turn into one message', async () => {
    live();
    for (let n = 0; n < 5; n += 1) channel.follow(`${n}`.repeat(32), listen);
    await settle();
    const messages = network.wire.ofType('subscribe');
    expect(messages).toHaveLength(2);
    expect(messages[1]?.data.tasks).toHaveLength(5);
  });

  it('keeps each message below the limit of a frame', () => {
    for (let n = 0; n < 2000; n += 1) {
      channel.follow(n.toString(16).padStart(32, '0'), listen);
    }
    network.wire.hello();
    const sizes = network.wire.sent.map((message) => JSON.stringify(message).length);
    expect(Math.max(...sizes)).toBeLessThan(MAX_FRAME);
    expect(network.wire.sent.flatMap(({ data }) => data.tasks)).toHaveLength(2000);
  });

  it('asks again after a gap, without a position', async () => {
    live();
    network.wire.say(progress(30, 31));
    await settle();
    expect(network.wire.ofType('subscribe').at(-1)?.data.tasks).toEqual([{ taskId: TASK }]);
    network.wire.say(snapshot(31));
    expect(last().task.record?.revision).toBe(31);
  });

  it('ends with the last view: unsubscribes at once, closes after a grace', async () => {
    const end = live();
    end();
    await settle();
    expect(network.wire.ofType('unsubscribe')[0]?.data.tasks).toEqual([TASK]);
    await network.clock.advance(4_900);
    expect(network.wire.closedWith).toBeNull();
    await network.clock.advance(200);
    expect(network.wire.closedWith).toBe(1000);
    expect(network.clock.pending).toBe(0);
    expect(network.wakeListeners.size).toBe(0);
  });

  it('keeps the socket when a view comes back within the grace', async () => {
    live()();
    await network.clock.advance(3_000);
    channel.follow(TASK, listen);
    await network.clock.advance(6_000);
    expect(network.wires).toHaveLength(1);
    expect(network.wire.closedWith).toBeNull();
    expect(network.wire.ofType('subscribe')).toHaveLength(2);
  });

  it('opens again after it was closed for want of views', async () => {
    live()();
    await network.clock.advance(6_000);
    live();
    expect(network.wires).toHaveLength(2);
    expect(last().connection.kind).toBe('live');
  });
});

describe('following a notebook', () => {
  const NOTEBOOK = record().notebook ?? '';

  async function watching(): Promise<() => void> {
    const end = channel.followNotebook(NOTEBOOK, listen);
    network.wire.hello();
    await settle();
    return end;
  }

  it('asks for what it is, and hears of each task, also of those that come later', async () => {
    await watching();
    expect(network.wire.sent).toEqual([{ type: 'subscribe', id: 1, data: { notebook: NOTEBOOK } }]);
    network.wire.say(snapshot(17));
    expect(last().task.record?.revision).toBe(17);
    network.wire.say(progress(18, 18));
    expect(last().task.record?.revision).toBe(18);
    network.wire.say({ ...snapshot(1, 'E', OTHER), re: null });
    expect(last().task).toMatchObject({ taskId: OTHER, seq: 1, awaiting: false });
  });

  it('is one of two that a part of a group belongs to', async () => {
    await watching();
    const parts: string[] = [];
    const end = channel.followParts(OTHER, ({ taskId }) => void parts.push(taskId));
    expect(network.wire.sent.at(-1)).toMatchObject({ type: 'subscribe', data: { parent: OTHER } });
    const data = { taskId: TASK, recovered: false, snapshot: record({ parent: OTHER }) };
    network.wire.say({
      ...snapshot(17),
      data: { ...data, snapshot: { ...data.snapshot, notebook: null } },
    });
    expect(parts).toEqual([TASK]);
    expect(heard).toEqual([]);
    end();
    expect(network.wire.sent.at(-1)).toMatchObject({
      type: 'unsubscribe',
      data: { parent: OTHER },
    });
  });

  it('is told of no task of another one', async () => {
    await watching();
    const data = { taskId: TASK, recovered: false, snapshot: record({ notebook: 'other.ipynb' }) };
    network.wire.say({ ...snapshot(17), data });
    expect(heard).toEqual([]);
  });

  it('shares what is known with the views of single tasks', async () => {
    await watching();
    network.wire.say(snapshot(17));
    const end = channel.follow(TASK, listen);
    expect(last().task.seq).toBe(17);
    heard = [];
    network.wire.say(progress(18, 18));
    expect(heard).toHaveLength(2);
    end();
    await settle();
    network.wire.say(progress(19, 19));
    expect(last().task.seq).toBe(19);
    expect(network.wire.ofType('unsubscribe')).toEqual([]);
  });

  it('names the places that it knows before it asks for the rest again', async () => {
    await watching();
    network.wire.say(snapshot(17));
    network.wire.break(1006);
    await network.clock.advance(250);
    network.wire.hello();
    expect(network.wire.sent.map(({ data }) => data)).toEqual([
      { tasks: [{ taskId: TASK, epoch: 'E', seq: 17 }] },
      { notebook: NOTEBOOK },
    ]);
  });

  it('ends the connection after a grace, and forgets what nobody else follows', async () => {
    const end = await watching();
    network.wire.say(snapshot(17));
    end();
    expect(network.wire.ofType('unsubscribe')).toEqual([
      { type: 'unsubscribe', id: 2, data: { notebook: NOTEBOOK } },
    ]);
    heard = [];
    network.wire.say(progress(18, 18));
    expect(heard).toEqual([]);
    await network.clock.advance(5_000);
    expect(network.wire.closedWith).toBe(1000);
    expect(network.clock.pending).toBe(0);
  });
});

describe('following everything', () => {
  let told: string[];
  const follower = {
    task: ({ taskId, record, missing }: TaskState) => {
      told.push(`${taskId.slice(0, 4)} ${missing ? 'gone' : record?.revision}`);
    },
    connection: ({ kind }: Connection) => void told.push(kind),
    counted: (tasks: number) => void told.push(`${tasks} tasks`),
  };

  beforeEach(() => {
    told = [];
  });

  async function following(): Promise<() => void> {
    const end = channel.followAll(follower);
    network.wire.hello();
    await settle();
    const data = { all: true, tasks: 2 };
    network.wire.say({ type: 'watching', re: 1, timestamp: 1, data });
    network.wire.say(snapshot(17));
    network.wire.say({ ...snapshot(1, 'E', OTHER), re: null });
    return end;
  }

  it('is told how many there are, of each, and of each change', async () => {
    await following();
    expect(network.wire.sent).toEqual([{ type: 'subscribe', id: 1, data: { all: true } }]);
    network.wire.say(progress(18, 18));
    network.wire.say({ type: 'task_removed', timestamp: 1, data: { taskId: TASK } });
    const heardOf = told.slice(told.indexOf('live'));
    expect(heardOf).toEqual(['live', '2 tasks', '0123 17', 'ffff 1', '0123 18', '0123 gone']);
  });

  it('asks by name after a break for those that it knows, and not for those that are gone', async () => {
    await following();
    network.wire.say({ type: 'task_removed', timestamp: 1, data: { taskId: TASK } });
    network.wire.break(1006);
    await network.clock.advance(250);
    network.wire.hello();
    expect(network.wire.sent.map(({ data }) => data)).toEqual([
      { tasks: [{ taskId: OTHER, epoch: 'E', seq: 1 }] },
      { all: true },
    ]);
  });

  it('leaves the bars their tasks when it ends', async () => {
    const end = await following();
    channel.follow(TASK, listen);
    await settle();
    expect(network.wire.ofType('subscribe')).toHaveLength(1);
    end();
    await settle();
    expect(network.wire.ofType('unsubscribe').map(({ data }) => data)).toEqual([{ all: true }]);
    expect(network.wire.ofType('subscribe').at(-1)?.data.tasks).toEqual([
      { taskId: TASK, epoch: 'E', seq: 17 },
    ]);
    told = [];
    network.wire.say(progress(18, 18));
    expect(told).toEqual([]);
  });

  it('ends the connection where nobody else needs it', async () => {
    (await following())();
    await network.clock.advance(5_000);
    expect(network.wire.closedWith).toBe(1000);
  });
});

describe('reconnecting', () => {
  it('names its position, and believes nothing until the answer', async () => {
    live();
    network.wire.break(4001);
    expect(last().connection).toMatchObject({ attempt: 1, of: 5, cause: 'restart' });
    await network.clock.advance(250);
    expect(network.wires).toHaveLength(2);
    network.wire.hello();
    expect(network.wire.sent[0]?.data.tasks).toEqual([{ taskId: TASK, epoch: 'E', seq: 17 }]);
    network.wire.say(progress(18, 18));
    expect(last().task.seq).toBe(17);
    network.wire.say(snapshot(3, 'F'));
    expect(last().task).toMatchObject({ epoch: 'F', seq: 3 });
  });

  it.each([
    [4001, 'restart'],
    [4008, 'slow'],
    [4012, 'silent'],
    [4400, null],
    [1006, null],
    [1011, null],
  ])('comes back after code %d, and says why where it knows', async (code, cause) => {
    live();
    network.wire.break(code);
    expect(last().connection).toEqual({ kind: 'reconnecting', attempt: 1, of: 5, cause });
    await network.clock.advance(250);
    expect(network.wires).toHaveLength(2);
  });

  it('gives up after five tries, and a click starts a fresh round', async () => {
    live();
    const waits = [250, 500, 1000, 2000, 4000];
    for (const [index, wait] of waits.entries()) {
      network.wire.break(1006);
      expect(last().connection).toEqual({
        kind: 'reconnecting',
        attempt: index + 1,
        of: 5,
        cause: null,
      });
      await network.clock.advance(wait - 1);
      expect(network.wires).toHaveLength(index + 1);
      await network.clock.advance(1);
      expect(network.wires).toHaveLength(index + 2);
    }
    network.wire.break(1006);
    expect(last().connection).toEqual({ kind: 'offline', reason: 'unreachable' });
    channel.reconnect();
    expect(last().connection).toEqual({ kind: 'connecting' });
    network.wire.hello();
    expect(last().connection).toEqual({ kind: 'live' });
  });

  it.each([
    [4500, 'malformed'],
    [4501, 'login'],
    [4503, 'forbidden'],
    [4506, 'version'],
    [4502, 'refused'],
    [4999, 'refused'],
  ])('stops at code %d', async (code, reason) => {
    live();
    network.wire.break(code);
    expect(last().connection).toEqual({ kind: 'offline', reason });
    network.wake();
    await network.clock.advance(60_000);
    expect(network.wires).toHaveLength(1);
  });

  it('counts from one again only after 30 s of connection', async () => {
    live();
    network.wire.break(1006);
    await network.clock.advance(250);
    network.wire.hello();
    await network.clock.advance(29_000);
    network.wire.break(1006);
    expect(last().connection).toMatchObject({ attempt: 2 });
    await network.clock.advance(667);
    network.wire.hello();
    await network.clock.advance(30_000);
    network.wire.break(1006);
    expect(last().connection).toMatchObject({ attempt: 1 });
  });

  it('begins a fresh round at once when the page wakes', async () => {
    live();
    network.wire.break(1006);
    network.wake();
    expect(network.wires).toHaveLength(2);
    network.wire.break(1006);
    expect(last().connection).toMatchObject({ attempt: 1 });
    await network.clock.advance(250);
    expect(network.wires).toHaveLength(3);
  });

  it('does not wait for a try that hangs when the page wakes', async () => {
    live();
    network.wire.break(1006);
    await network.clock.advance(250);
    const hanging = network.wire;
    await network.clock.advance(3_000);
    network.wake();
    expect(network.wires).toHaveLength(3);
    expect(hanging.closedWith).toBe(1000);
    hanging.hello();
    expect(last().connection).toEqual({ kind: 'connecting' });
    network.wire.hello();
    expect(last().connection).toEqual({ kind: 'live' });
  });

  it('wakes up from being offline', async () => {
    live();
    for (let n = 0; n < 6; n += 1) {
      network.wire.break(1006);
      await network.clock.advance(20_000);
    }
    expect(last().connection.kind).toBe('offline');
    network.wake();
    expect(last().connection.kind).toBe('connecting');
  });

  it('does not wait for ever for a hello', async () => {
    channel.follow(TASK, listen);
    await network.clock.advance(9_999);
    expect(last().connection.kind).toBe('connecting');
    await network.clock.advance(1);
    expect(last().connection.kind).toBe('reconnecting');
    expect(network.wire.closedWith).toBe(4012);
  });

  it('does not trust a connection that breaks the contract', () => {
    live();
    network.wire.say({ type: 'progress_update' });
    expect(last().connection.kind).toBe('reconnecting');
    expect(network.wire.closedWith).toBe(1000);
  });

  it('says so when no socket can be made at all', () => {
    network.refuses = true;
    channel.follow(TASK, listen);
    expect(last().connection).toEqual({ kind: 'offline', reason: 'refused' });
  });
});

describe('an unreachable server', () => {
  async function unreachable() {
    live();
    for (let n = 0; n < 6; n += 1) {
      network.wire.break(1006);
      await network.clock.advance(6_000);
    }
    expect(last().connection).toEqual({ kind: 'offline', reason: 'unreachable' });
  }

  it('is tried afresh for a new bar', async () => {
    await unreachable();
    channel.follow(OTHER, listen);
    expect(last().connection).toEqual({ kind: 'connecting' });
    network.wire.hello();
    await settle();
    expect(network.wire.sent[0]?.data.tasks).toHaveLength(2);
  });

  it('is tried afresh when the host sees it again', async () => {
    await unreachable();
    channel.signOfLife();
    expect(last().connection).toEqual({ kind: 'connecting' });
  });

  it('is looked at now and then without a word, by a page that is visible', async () => {
    await unreachable();
    const { healthAsked } = network;
    network.visible = false;
    await network.clock.advance(60_000);
    expect(network.healthAsked).toBe(healthAsked);
    network.visible = true;
    await network.clock.advance(30_000);
    expect(network.healthAsked).toBe(healthAsked + 1);
    expect(last().connection).toMatchObject({ kind: 'offline' });
    network.health = 'present';
    await network.clock.advance(30_000);
    expect(last().connection).toEqual({ kind: 'connecting' });
  });

  it('that changed its mind meanwhile is explained, also in a round after a live connection', async () => {
    live();
    network.health = 'login';
    network.wire.break(1006);
    await network.clock.advance(250);
    network.wire.break(1006);
    await settle();
    expect(last().connection).toEqual({ kind: 'offline', reason: 'login' });
  });

  it('that the host has lost must prove itself', async () => {
    live();
    channel.signOfLoss();
    await network.clock.advance(5_000);
    expect(last().connection.kind).toBe('reconnecting');
  });
});

describe('an error without a task', () => {
  it('is told, and marks what was asked for', async () => {
    channel.follow(TASK, listen);
    network.wire.hello();
    const data = { code: 'too-many', message: 'no more', temporary: false };
    network.wire.say({ type: 'error', re: 1, timestamp: 1, data });
    expect(network.warnings).toEqual(['the server answered "too-many": no more']);
    expect(last().task.refused).toBe(true);
    channel.reconnect();
    await settle();
    expect(network.wire.ofType('subscribe')).toHaveLength(2);
    network.wire.say(snapshot(17));
    expect(last().task.refused).toBe(false);
  });
});

describe('a late answer, to a question that was given up', () => {
  /** A view that went away while its answer was on the way, and another one that came. */
  async function again(): Promise<number | null> {
    const end = live();
    network.wire.break(1006);
    await network.clock.advance(250);
    network.wire.hello();
    const late = question();
    end();
    await settle();
    channel.follow(TASK, listen);
    await settle();
    expect(question()).not.toBe(late);
    return late;
  }

  it('tells nothing, and is no reason to ask once more', async () => {
    const re = await again();
    const before = heard.length;
    network.wire.say({ ...snapshot(18), re, data: { taskId: TASK, recovered: true, events: [] } });
    network.wire.say({ ...snapshot(18), re });
    network.wire.say(progress(19, 19));
    await settle();
    expect(heard).toHaveLength(before);
    expect(network.wire.ofType('subscribe')).toHaveLength(2);
    network.wire.say(snapshot(20));
    expect(last().task).toMatchObject({ seq: 20, awaiting: false });
  });

  it('makes no task missing or refused that was asked for anew', async () => {
    const re = await again();
    const before = heard.length;
    const data = { code: 'task-not-found', message: 'no such job', temporary: false };
    network.wire.say({ type: 'error', re, timestamp: 1, data: { ...data, taskId: TASK } });
    network.wire.say({ type: 'error', re, timestamp: 1, data: { ...data, code: 'too-many' } });
    expect(heard).toHaveLength(before);
    network.wire.say(snapshot(20));
    expect(last().task).toMatchObject({ seq: 20, missing: false, refused: false });
  });

  it('is none where the question went to another server', async () => {
    await again();
    network.wire.break(1006);
    await network.clock.advance(1_000);
    network.wire.hello();
    expect(question()).toBe(1);
    network.wire.say(snapshot(20));
    expect(last().task).toMatchObject({ seq: 20, awaiting: false });
  });
});

describe('a connection that lasts', () => {
  it('keeps nothing of a question that was answered, nor of one that was given up', async () => {
    live();
    const held = async (times: number) => {
      for (let turn = 0; turn < times; turn += 1) {
        const end = channel.follow(OTHER, () => {});
        await settle();
        if (turn % 2 === 0) network.wire.say(snapshot(1, 'E', OTHER));
        end();
        await settle();
        network.wire.sent.length = 0;
      }
      return queryObjects(Array, { format: 'count' });
    };
    const before = await held(10);
    expect((await held(500)) - before).toBeLessThan(200);
  }, 60_000);
});

describe('a listener that fails', () => {
  it('keeps no other from what there is to hear', async () => {
    let armed = false;
    const failing = () => {
      if (armed) throw new Error('of a view');
    };
    const told: string[] = [];
    const tell = (what: string) => () => void told.push(what);
    const transfer = { userId: 'alice', fileId: 'f', offset: 0, timestamp: 1, received: 1 };
    const file = { size: 9, name: 'a.csv', direction: 'download', taskId: TASK };
    const data = { ...transfer, ...file, active: true, complete: false };
    channel.follow(TASK, failing);
    channel.follow(TASK, tell('task'));
    channel.followNotebook(record().notebook ?? '', tell('notebook'));
    channel.followTransfers(TASK, failing);
    channel.followTransfers(TASK, tell('transfer'));
    channel.followAll({ task: failing, connection: failing, counted: failing });
    const follower = { task: tell('all'), connection: tell('line'), counted: tell('count') };
    channel.followAll(follower);
    network.wire.hello();
    network.wire.say(snapshot(17));
    told.length = 0;
    armed = true;
    network.wire.say(progress(18, 18));
    expect(told).toEqual(['task', 'notebook', 'all']);
    network.wire.say({ type: 'watching', re: 1, timestamp: 1, data: { all: true, tasks: 1 } });
    network.wire.say({ type: 'transfer_update', timestamp: 1, data });
    expect(told.slice(3)).toEqual(['count', 'transfer']);
    network.wire.break(1006);
    expect(told.slice(5)).toEqual(['line', 'task']);
    expect(network.warnings).toEqual(Array(6).fill('a listener failed'));
  });
});

describe('a socket that never opened', () => {
  it.each(['absent', 'login', 'forbidden'] as const)('is explained by HTTP: %s', async (health) => {
    network.health = health;
    channel.follow(TASK, listen);
    network.wire.break(1006);
    await settle();
    expect(last().connection).toEqual({ kind: 'offline', reason: health });
    await network.clock.advance(60_000);
    expect(network.wires).toHaveLength(1);
  });

  it.each(['present', 'unreachable'] as const)('is tried again: %s', async (health) => {
    network.health = health;
    channel.follow(TASK, listen);
    network.wire.break(1006);
    await network.clock.advance(250);
    expect(network.wires).toHaveLength(2);
    expect(network.healthAsked).toBe(1);
  });
});

describe('without a WebSocket', () => {
  const seq = () => last().task.seq;
  const answer = (message: object) =>
    network.polls[0]?.answer(decodeServerFrame(JSON.stringify(message)));
  const missed = (...events: ReturnType<typeof progress>[]) => ({
    ...snapshot(events.at(-1)?.seq ?? seq()),
    re: null,
    data: { taskId: TASK, recovered: true, events },
  });

  async function polling() {
    network.health = 'present';
    const end = channel.follow(TASK, listen);
    network.wire.break(1006);
    await settle();
    answer(snapshot(17));
    await settle();
    return end;
  }

  it('asks by plain HTTP, each time after what it has, and is as good as live', async () => {
    await polling();
    expect(last().connection).toEqual({ kind: 'polling' });
    expect(network.polls).toMatchObject([
      { wait: true, position: { taskId: TASK, epoch: 'E', seq: 17 } },
    ]);
    answer(missed(progress(18, 19), progress(20, 20)));
    await settle();
    expect(last().task).toMatchObject({ seq: 20, record: { revision: 20 } });
    answer(missed());
    await settle();
    expect(network.polls).toMatchObject([{ position: { seq: 20 } }]);
    expect(heard.filter(({ connection }) => connection.kind === 'offline')).toEqual([]);
  });

  it('asks for a task that comes when there was none any more', async () => {
    const end = await polling();
    end();
    answer(missed());
    await settle();
    expect(network.polls).toEqual([]);
    channel.follow(OTHER, listen);
    await settle();
    expect(network.polls).toMatchObject([{ position: { taskId: OTHER } }]);
  });

  it('begins with nothing again after a gap', async () => {
    await polling();
    answer(missed(progress(19, 19)));
    await settle();
    expect(network.polls.map(({ position }) => position)).toEqual([{ taskId: TASK }]);
  });

  it('goes on trying for a socket, and back to it', async () => {
    await polling();
    await network.clock.advance(250);
    expect(network.wires).toHaveLength(2);
    for (let n = 0; n < 9; n += 1) {
      network.wire.break(1006);
      await network.clock.advance(30_000);
      answer(missed());
      await settle();
    }
    expect(last().connection).toEqual({ kind: 'polling' });
    expect(network.wires.length).toBeGreaterThan(9);
    const waiting = network.polls[0];
    network.wire.hello();
    expect(last().connection).toEqual({ kind: 'live' });
    expect(waiting?.signal.aborted).toBe(true);
    await network.clock.advance(60_000);
    expect(network.polls).toEqual([]);
    expect(network.wire.sent[0]?.data.tasks).toEqual([{ taskId: TASK, epoch: 'E', seq: 17 }]);
  });

  it('tries for a socket at once when the page wakes', async () => {
    await polling();
    network.wake();
    expect(network.wires).toHaveLength(2);
    expect(last().connection).toEqual({ kind: 'polling' });
  });

  it('gives up a question that is not answered', async () => {
    await polling();
    network.health = 'unreachable';
    const [question] = network.polls;
    await network.clock.advance(59_999);
    expect(last().connection).toEqual({ kind: 'polling' });
    await network.clock.advance(1);
    expect(question?.signal.aborted).toBe(true);
    expect(last().connection.kind).not.toBe('polling');
  });

  it('takes no more than two connections, and each task its turn', async () => {
    const ids = [...'abcde'].map((digit) => digit.repeat(32));
    for (const id of ids) channel.follow(id, listen);
    network.health = 'present';
    network.wire.break(1006);
    await settle();
    const asked: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const [poll] = network.polls;
      expect(network.polls.length).toBeLessThanOrEqual(2);
      expect(poll?.wait).toBe(false);
      const taskId = poll?.position.taskId ?? '';
      asked.push(taskId);
      answer(snapshot(1, 'E', taskId));
      await settle();
    }
    expect(asked).toEqual(ids);
    expect(network.polls).toEqual([]);
    await network.clock.advance(1_000);
    expect(network.polls).toHaveLength(2);
  });

  it('asks no more about what has ended or is gone', async () => {
    await polling();
    answer({ ...snapshot(18), data: { taskId: TASK, recovered: false, snapshot: DONE } });
    await settle();
    expect(network.polls).toEqual([]);
    channel.follow(OTHER, listen);
    await settle();
    const message = { code: 'task-not-found', message: '', temporary: false, taskId: OTHER };
    answer({ type: 'error', re: null, timestamp: 1, data: message });
    await network.clock.advance(10_000);
    expect(network.polls).toEqual([]);
    expect(last().connection).toEqual({ kind: 'polling' });
  });

  describe('and with a notebook, or everything, to be told of', () => {
    const tell = (complete: boolean, ...messages: object[]) => {
      const answer = { cursor: `after ${network.questions.length}`, complete, messages };
      network.questions[0]?.answer(decodeChanges(JSON.parse(JSON.stringify(answer))));
      return settle();
    };
    const anew = (seq: number, taskId: string) => ({ ...snapshot(seq, 'E', taskId), re: null });
    const gone = { type: 'task_removed', timestamp: 1, data: { taskId: OTHER } };
    let told: string[];

    async function following() {
      told = [];
      network.health = 'present';
      channel.follow(TASK, listen);
      channel.followAll({
        task: ({ taskId, missing }) => void told.push(`${taskId[0]}${missing ? ' gone' : ''}`),
        connection: () => undefined,
        counted: (tasks) => void told.push(`${tasks} tasks`),
      });
      network.wire.break(1006);
      await settle();
      told = [];
    }

    it('asks one question, and hears of new tasks and of those that go', async () => {
      await following();
      expect(network.polls).toEqual([]);
      expect(network.questions).toMatchObject([{ cursor: null }]);
      await tell(true, anew(17, TASK), anew(3, OTHER));
      expect(last().connection).toEqual({ kind: 'polling' });
      expect(told).toEqual(['2 tasks', TASK[0], OTHER[0]]);
      await network.clock.advance(500);
      expect(network.questions).toMatchObject([{ cursor: 'after 1' }]);
      await tell(false, anew(18, TASK), gone);
      expect(last().task.seq).toBe(18);
      expect(told.at(-1)).toBe(`${OTHER[0]} gone`);
    });

    it('knows what is not told of for gone', async () => {
      await following();
      await tell(true, anew(3, OTHER));
      expect(last().task.missing).toBe(true);
    });

    it('asks for all of it again for a task that appears in the page', async () => {
      await following();
      await tell(true, anew(17, TASK));
      await network.clock.advance(500);
      const [before] = network.questions;
      channel.follow(OTHER, listen);
      await settle();
      expect(before?.signal.aborted).toBe(true);
      expect(network.questions).toMatchObject([{ cursor: null }]);
    });

    it('asks no more once a socket is open, or the server is gone', async () => {
      await following();
      await tell(true, anew(17, TASK));
      await network.clock.advance(500);
      expect(network.wires).toHaveLength(2);
      network.wire.hello();
      await settle();
      expect(network.questions).toEqual([]);
      network.wire.break(1006);
      await network.clock.advance(250);
      network.wire.break(1006);
      await settle();
      network.questions[0]?.fail();
      await settle();
      expect(last().connection.kind).not.toBe('polling');
      expect(network.questions).toEqual([]);
    });

    it('gives up a question that is not answered', async () => {
      await following();
      await tell(true, anew(17, TASK));
      network.health = 'unreachable';
      await network.clock.advance(500);
      const [question] = network.questions;
      await network.clock.advance(60_000);
      expect(question?.signal.aborted).toBe(true);
      expect(last().connection.kind).not.toBe('polling');
    });
  });

  it('ends with the server', async () => {
    await polling();
    network.health = 'unreachable';
    network.polls[0]?.fail();
    await settle();
    expect(last().connection).toEqual({ kind: 'connecting' });
    for (let n = 0; n < 6; n += 1) {
      network.wire.break(1006);
      await network.clock.advance(5_000);
    }
    expect(last().connection).toEqual({ kind: 'offline', reason: 'unreachable' });
    expect(network.polls).toEqual([]);
  });

  it('ends with the last view', async () => {
    network.health = 'present';
    const end = channel.follow(TASK, listen);
    network.wire.break(1006);
    await settle();
    end();
    await network.clock.advance(6_000);
    expect(network.polls).toEqual([]);
    expect(network.clock.pending).toBe(0);
  });
});

describe('silence', () => {
  it('is answered with a ping at every heartbeat, and ends the connection after two', async () => {
    live();
    await network.clock.advance(30_000);
    expect(network.wire.ofType('ping')).toHaveLength(1);
    await network.clock.advance(29_999);
    expect(last().connection.kind).toBe('live');
    await network.clock.advance(1);
    expect(network.wires[0]?.closedWith).toBe(4012);
    expect(last().connection.kind).toBe('reconnecting');
  });

  it('is broken by any frame', async () => {
    live();
    for (let beat = 0; beat < 10; beat += 1) {
      await network.clock.advance(30_000);
      network.wire.say({ type: 'pong', re: null, timestamp: 1, data: {} });
    }
    expect(last().connection.kind).toBe('live');
    expect(network.wire.ofType('ping')).toHaveLength(10);
  });

  it('follows the heartbeat of the server', async () => {
    channel.follow(TASK, listen);
    network.wire.hello(2);
    await network.clock.advance(4_000);
    expect(last().connection.kind).toBe('reconnecting');
  });

  it('lasts for as long as the server says', async () => {
    channel.follow(TASK, listen);
    network.wire.hello(2, 10);
    await network.clock.advance(9_999);
    expect(last().connection.kind).toBe('live');
    await network.clock.advance(1);
    expect(last().connection).toMatchObject({ kind: 'reconnecting', cause: 'silent' });
  });

  it('after waking up means dead within five seconds', async () => {
    live();
    network.wake();
    expect(network.wire.ofType('ping')).toHaveLength(1);
    await network.clock.advance(5_000);
    expect(last().connection.kind).toBe('reconnecting');
  });

  it('after waking up is fine where the answer comes', async () => {
    live();
    await network.clock.advance(1_000);
    network.wake();
    await network.clock.advance(100);
    network.wire.say({ type: 'pong', re: 1, timestamp: 1, data: {} });
    await network.clock.advance(10_000);
    expect(last().connection.kind).toBe('live');
  });

  it('is not concluded by a page that was held up: what came meanwhile is not read yet', async () => {
    live();
    await network.clock.advance(30_000);
    network.clock.sleep(90_000);
    await network.clock.advance(0);
    expect(last().connection.kind).toBe('live');
    network.wire.say({ type: 'pong', re: 2, timestamp: 1, data: {} });
    await network.clock.advance(20_000);
    expect(last().connection.kind).toBe('live');
  });

  it('is noticed within seconds by a page that was held up', async () => {
    live();
    network.clock.sleep(3_600_000);
    await network.clock.advance(0);
    expect(network.wire.ofType('ping')).toHaveLength(1);
    await network.clock.advance(30_000);
    expect(last().connection).toMatchObject({ kind: 'reconnecting', cause: 'silent' });
  });

  it('is none where a browser runs the timers of a hidden tab once a minute', async () => {
    network.clock.grain = 61_000;
    live();
    for (let minute = 0; minute < 10; minute += 1) {
      const pings = network.wire.ofType('ping').length;
      await network.clock.advance(61_000);
      expect(network.wire.ofType('ping').length).toBe(pings + 1);
      network.wire.say({ type: 'pong', re: 1, timestamp: 1, data: {} });
    }
    expect(last().connection.kind).toBe('live');
    expect(network.wires).toHaveLength(1);
  });

  it('of a connection that was given up cannot be broken any more', async () => {
    live();
    await network.clock.advance(60_000);
    const dead = network.wires[0];
    dead?.say(progress(18, 18));
    dead?.break(4503);
    expect(last().task.seq).toBe(17);
    expect(last().connection.kind).toBe('reconnecting');
  });
});

describe('the page', () => {
  it('has one channel for a server, also among bundles', async () => {
    const one = sharedChannel('https://a/progresswidget/', () => network.environment);
    expect(sharedChannel('https://a/progresswidget/', () => network.environment)).toBe(one);
    expect(sharedChannel('https://b/progresswidget/', () => network.environment)).not.toBe(one);
    // A second copy of the module, as the other bundle has one.
    const copy: string = '../src/channel/channel.ts?copy';
    const { sharedChannel: other } = await import(/* @vite-ignore */ copy);
    expect(other).not.toBe(sharedChannel);
    expect(other('https://a/progresswidget/', () => network.environment)).toBe(one);
  });
});
