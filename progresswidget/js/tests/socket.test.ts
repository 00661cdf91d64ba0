import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_FRAME } from '../src/protocol';
import type { TaskState } from '../src/reducer';
import { Channel, type Connection, sharedChannel } from '../src/socket';
import { Network, settle } from './fake_network';
import { record, TASK } from './records';

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
const snapshot = (seq: number, epoch = 'E', taskId = TASK) => ({
  type: 'subscribed',
  re: 1,
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

describe('reconnecting', () => {
  it('names its position, and believes nothing until the answer', async () => {
    live();
    network.wire.break(4001);
    expect(last().connection).toEqual({ kind: 'reconnecting', attempt: 1, of: 5 });
    await network.clock.advance(334);
    expect(network.wires).toHaveLength(2);
    network.wire.hello();
    expect(network.wire.sent[0]?.data.tasks).toEqual([{ taskId: TASK, epoch: 'E', seq: 17 }]);
    network.wire.say(progress(18, 18));
    expect(last().task.seq).toBe(17);
    network.wire.say(snapshot(3, 'F'));
    expect(last().task).toMatchObject({ epoch: 'F', seq: 3 });
  });

  it('gives up after five tries, and a click starts a fresh round', async () => {
    live();
    const waits = [333.4, 666.7, 1333.4, 2666.7, 5333.4];
    for (const [index, wait] of waits.entries()) {
      network.wire.break(1006);
      expect(last().connection).toEqual({ kind: 'reconnecting', attempt: index + 1, of: 5 });
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
    [4500, 'refused'],
    [4501, 'login'],
    [4503, 'forbidden'],
    [4506, 'version'],
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
    await network.clock.advance(334);
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
    await network.clock.advance(334);
    expect(network.wires).toHaveLength(3);
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
    await network.clock.advance(334);
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
    await network.clock.advance(334);
    expect(network.wires).toHaveLength(2);
    expect(network.healthAsked).toBe(1);
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
    const copy: string = '../src/socket.ts?copy';
    const { sharedChannel: other } = await import(/* @vite-ignore */ copy);
    expect(other).not.toBe(sharedChannel);
    expect(other('https://a/progresswidget/', () => network.environment)).toBe(one);
  });
});
