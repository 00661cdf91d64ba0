import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MalformedError } from '../src/fields';
import {
  decodeServerFrame,
  encodePing,
  encodeSubscribe,
  encodeUnsubscribe,
  encodeUnwatch,
  encodeWatch,
} from '../src/frames';
import { decodeSnapshot } from '../src/record';
import { DONE, record, TASK } from './records';

interface Golden {
  readonly name: string;
  readonly frame: string;
  readonly valid: boolean;
}

function golden(file: string): Golden[] {
  const url = new URL(`../../../tests/data/protocol/${file}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

/** What is read where an older server says nothing. */
const MISSING = {
  reused: 0,
  read: 0,
  appendOnly: false,
  userId: null,
  parent: null,
  within: null,
  title: null,
  started: null,
  schema: '',
  unit: '',
  postfix: '',
  steps: [],
  obeys: true,
  leave: true,
  options: '',
  contents: null,
  source: null,
};

describe('the golden frames of the server', () => {
  const frames = golden('server_frames.json');

  it.each(frames.filter(({ valid }) => valid))('takes: $name', ({ frame }) => {
    const sent = JSON.parse(frame);
    const message = decodeServerFrame(frame);
    switch (message.type) {
      case 'event':
        expect({ ...MISSING, ...sent.data }).toMatchObject(message.record);
        expect([message.epoch, message.from, message.seq]).toEqual([
          sent.epoch,
          sent.from,
          sent.seq,
        ]);
        break;
      case 'subscribed':
        expect(message.taskId).toBe(sent.data.taskId);
        expect(message.snapshot === null).toBe(sent.data.recovered);
        break;
      case 'hello':
        expect(message.heartbeat).toBe(sent.data.heartbeat);
        expect(message.timeout).toBe(sent.data.timeout ?? null);
        break;
      case 'error':
        expect(message.code).toBe(sent.data.code);
        break;
      case 'removed':
        expect(message.taskId).toBe(sent.data.taskId);
        break;
      case 'transfer':
        expect(message.record).toEqual(sent.data);
        break;
      case 'pong':
        expect(sent.type).toBe('pong');
        break;
      case 'unknown':
        // No page asks for a target, so that none reads the answer.
        expect(['task_added', 'watching']).toContain(sent.type);
    }
  });

  it.each(frames.filter(({ valid }) => !valid))('refuses: $name', ({ frame }) => {
    expect(() => decodeServerFrame(frame)).toThrow(MalformedError);
  });

  it('refuses binary frames', () => {
    expect(() => decodeServerFrame(new ArrayBuffer(2))).toThrow('frame');
  });
});

describe('what the page sends', () => {
  const valid = golden('client_frames.json')
    .filter(({ valid }) => valid)
    .map(({ frame }) => JSON.parse(frame));

  it.each([
    ['a first subscription', encodeSubscribe(1, [{ taskId: TASK }])],
    ['a position', encodeSubscribe(1, [{ taskId: TASK, epoch: '9f2c', seq: 17 }])],
    ['an end', encodeUnsubscribe(3, [TASK])],
    ['the tasks of a notebook', encodeWatch(1, { notebook: 'a.ipynb' })],
    ['all tasks', encodeWatch(1, { all: true })],
    ['the end of that', encodeUnwatch(2, { notebook: 'a.ipynb' })],
    ['a sign of life', encodePing(7)],
  ])('has the shape of a golden frame: %s', (_, frame) => {
    const shapes = valid.map(shape);
    expect(shapes).toContainEqual(shape(JSON.parse(frame)));
  });
});

/** The names and types in a message, whatever the values; of a list the first entry. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shape(inner)]));
}

describe('the snapshot that a notebook keeps', () => {
  it('is read back as it was written', () => {
    expect(decodeSnapshot(JSON.parse(JSON.stringify(DONE)))).toEqual(DONE);
  });

  it('may lack what only a server knows', () => {
    const { url, notebook, pending, updated, ...kernel } = record();
    expect([url, notebook, pending, updated]).not.toContain(undefined);
    expect(decodeSnapshot(kernel)).toEqual({
      ...kernel,
      url: null,
      notebook: null,
      pending: null,
      updated: 0,
    });
  });

  it.each([[null], [undefined], ['done'], [{}], [{ ...DONE, status: 'asleep' }]])(
    'is null where it cannot be read: %j',
    (value) => {
      expect(decodeSnapshot(value)).toBeNull();
    },
  );
});
