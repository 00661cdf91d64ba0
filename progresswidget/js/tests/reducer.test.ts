import { describe, expect, it } from 'vitest';
import type { JobEvent, Subscribed } from '../src/protocol';
import { disconnected, newTask, position, reduce, type TaskState } from '../src/reducer';
import { DONE, record, TASK } from './records';

const snapshot = (seq: number, epoch = 'E', changes = {}): Subscribed => ({
  type: 'subscribed',
  re: 1,
  taskId: TASK,
  epoch,
  seq,
  snapshot: record({ revision: seq, ...changes }),
  events: [],
});
const event = (from: number, seq: number, epoch = 'E'): JobEvent => ({
  type: 'event',
  epoch,
  from,
  seq,
  record: record({ revision: seq }),
});
const at = (seq: number, epoch = 'E'): TaskState =>
  reduce(newTask(TASK), snapshot(seq, epoch)).state;

describe('a snapshot', () => {
  it('is where it begins', () => {
    expect(at(17)).toMatchObject({ epoch: 'E', seq: 17, awaiting: false, missing: false });
  });

  it('of a new epoch replaces what was known, whatever the numbers', () => {
    const { state } = reduce(at(40), snapshot(2, 'F'));
    expect(state).toMatchObject({ epoch: 'F', seq: 2 });
    expect(state.record?.revision).toBe(2);
  });

  it('is the truth, also of a server that has gone back', () => {
    const { state } = reduce(disconnected(at(40)), snapshot(39));
    expect(state).toMatchObject({ seq: 39, awaiting: false, record: { revision: 39 } });
    expect(reduce(state, event(40, 40)).state.seq).toBe(40);
  });

  it('that nobody asked for is applied, from another epoch too', () => {
    const { state, resubscribe } = reduce(at(40), snapshot(3, 'F'));
    expect(resubscribe).toBe(false);
    expect(state).toMatchObject({ epoch: 'F', seq: 3, awaiting: false });
    expect(reduce(state, event(4, 4, 'F')).state.seq).toBe(4);
  });
});

describe('what was missed', () => {
  const missed = (seq: number, ...events: JobEvent[]): Subscribed => ({
    ...snapshot(seq),
    snapshot: null,
    events,
  });
  const waiting = disconnected(at(17));

  it('is applied in order, and ends the waiting', () => {
    const events = [event(18, 18), event(19, 22), event(23, 23)];
    const { state, resubscribe } = reduce(waiting, missed(23, ...events));
    expect(resubscribe).toBe(false);
    expect(state).toMatchObject({ seq: 23, awaiting: false, record: { revision: 23 } });
  });

  it('may begin with what is known already', () => {
    const { state } = reduce(waiting, missed(19, event(17, 17), event(16, 18), event(19, 19)));
    expect(state).toMatchObject({ seq: 19, record: { revision: 19 } });
  });

  it.each([
    ['it begins too late', missed(20, event(19, 20))],
    ['it has a gap', missed(21, event(18, 18), event(20, 21))],
    ['it ends too early', missed(21, event(18, 20))],
    ['an event is of another history', missed(19, event(18, 18), event(19, 19, 'F'))],
    ['it is of another history', { ...missed(18, event(18, 18, 'F')), epoch: 'F' }],
  ])('is taken whole or not at all: %s', (_, message) => {
    const { state, resubscribe } = reduce(waiting, message);
    expect(resubscribe).toBe(true);
    expect(state.record?.revision).toBe(17);
    expect(position(state)).toEqual({ taskId: TASK });
  });
});

describe('"nothing new"', () => {
  const nothing = (seq: number, epoch = 'E'): Subscribed => ({
    ...snapshot(seq, epoch),
    snapshot: null,
  });

  it('ends the waiting where the position is ours', () => {
    const { state, resubscribe } = reduce(disconnected(at(17)), nothing(17));
    expect(resubscribe).toBe(false);
    expect(state).toMatchObject({ seq: 17, awaiting: false });
    expect(state.record?.revision).toBe(17);
  });

  it.each([
    [18, 'E'],
    [17, 'F'],
  ])('about another position (%d, %s) is not believed', (seq, epoch) => {
    const { state, resubscribe } = reduce(disconnected(at(17)), nothing(seq, epoch));
    expect(resubscribe).toBe(true);
    expect(position(state)).toEqual({ taskId: TASK });
  });
});

describe('an event', () => {
  it.each([
    ['the next', 18, 18],
    ['several in one', 18, 44],
    ['one that overlaps', 10, 20],
  ])('is applied: %s', (_, from, seq) => {
    const { state, resubscribe } = reduce(at(17), event(from, seq));
    expect(resubscribe).toBe(false);
    expect(state.seq).toBe(seq);
    expect(state.record?.revision).toBe(seq);
  });

  it.each([
    ['the same again', 17, 17],
    ['an older one', 3, 16],
  ])('is dropped: %s', (_, from, seq) => {
    const before = at(17);
    expect(reduce(before, event(from, seq))).toEqual({ state: before, resubscribe: false });
  });

  it.each([
    ['a gap', event(19, 19)],
    ['another history', event(18, 18, 'F')],
  ])('asks again and guesses nothing: %s', (_, gap) => {
    const { state, resubscribe } = reduce(at(17), gap);
    expect(resubscribe).toBe(true);
    expect(state.record?.revision).toBe(17);
    expect(position(state)).toEqual({ taskId: TASK });
    // What comes before the answer is not applied on top of the unknown.
    expect(reduce(state, event(20, 20)).state).toBe(state);
  });

  it('from before the connection was lost is not applied', () => {
    const before = disconnected(at(17));
    expect(reduce(before, event(18, 18)).state).toBe(before);
    expect(position(before)).toEqual({ taskId: TASK, epoch: 'E', seq: 17 });
  });
});

describe('a task that is gone', () => {
  it.each([
    [{ type: 'removed', taskId: TASK } as const],
    [
      {
        type: 'error',
        re: null,
        code: 'task-not-found',
        message: '',
        taskId: TASK,
        temporary: false,
      } as const,
    ],
  ])('is missing, and its last state stays: %j', (message) => {
    const { state } = reduce(at(17), message);
    expect(state.missing).toBe(true);
    expect(state.record?.revision).toBe(17);
    expect(reduce(state, { ...snapshot(1, 'F'), snapshot: DONE }).state.missing).toBe(false);
  });

  it('is not concluded from any other error', () => {
    const before = at(17);
    const error = { code: 'store-unavailable', message: '', taskId: TASK, temporary: true };
    expect(reduce(before, { type: 'error', re: null, ...error }).state).toBe(before);
  });
});

describe('any order of deliveries', () => {
  it('ends at the newest state or asks again, and never goes back', () => {
    // All orders of four events with one lost or repeated: 4^4 sequences.
    for (let code = 0; code < 256; code += 1) {
      const order = [0, 1, 2, 3].map((digit) => 18 + (Math.floor(code / 4 ** digit) % 4));
      let state = at(17);
      let asked = false;
      for (const seq of order) {
        const before = state.seq;
        const reduction = reduce(state, event(seq, seq));
        state = reduction.state;
        if (reduction.resubscribe) {
          asked = true;
          state = reduce(state, snapshot(Math.max(...order))).state;
        }
        expect(state.seq).toBeGreaterThanOrEqual(before);
      }
      expect(asked || state.seq === Math.max(...order)).toBe(true);
      expect(state.record?.revision).toBe(state.seq);
    }
  });
});
