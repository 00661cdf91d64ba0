import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asTheyBegan, nested } from '../src/jobs/nesting';
import { EVERYTHING } from '../src/jobs/query';
import { Records } from '../src/jobs/records';
import { Selection } from '../src/jobs/selection';
import type { JobRecord } from '../src/protocol';
import { record, TASK } from './records';

const id = (letter: string) => letter.repeat(32);
const loop = (letter: string, created: number, within: string | null = null, parent = TASK) =>
  record({ taskId: id(letter), kind: 'task', created, parent, within: within && id(within) });
const said = (parts: readonly JobRecord[]) =>
  [...nested(parts)].map(([taskId, depth]) => `${taskId[0]}${depth}`);

describe('parts of a job', () => {
  it('stand as they began, each before what runs within it', () => {
    // Two processes, of which the first begins its inner loop last.
    const parts = [loop('c', 3, 'a'), loop('b', 2), loop('d', 4, 'c'), loop('a', 1)];
    expect(said(parts)).toEqual(['a0', 'c1', 'd2', 'b0']);
  });

  it('stand by themselves where what they run within is out of sight', () => {
    expect(said([loop('b', 2, 'a'), loop('c', 3, 'b')])).toEqual(['b0', 'c1']);
  });

  it('are all there once, whatever is said to be within what', () => {
    const letters = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const within = fc.option(letters);
    const some = fc.uniqueArray(fc.tuple(letters, fc.nat(3), within), { selector: ([key]) => key });
    fc.assert(
      fc.property(some, (rows) => {
        const parts = rows.map(([letter, created, around]) => loop(letter, created, around));
        const found = [...nested(parts).keys()];
        expect([...found].sort()).toEqual(parts.map(({ taskId }) => taskId).sort());
      }),
    );
  });
});

describe('the panel', () => {
  it('has loops within a loop in the order of its card, and jobs the newest first', () => {
    const records = new Records((run) => run());
    const older = record({ taskId: id('f'), created: 1 });
    const outer = record({ taskId: TASK, kind: 'task', created: 2 });
    const parts = [loop('a', 3), loop('b', 4, 'a'), loop('c', 5, 'b')];
    for (const each of [older, outer, ...parts]) records.put(each);
    const selection = new Selection(records, EVERYTHING, 'en');
    expect(selection.keys).toEqual([TASK, id('a'), id('b'), id('c'), id('f')]);
    expect(selection.keys.map((key) => selection.depthOf(key))).toEqual([0, 1, 2, 3, 0]);
    records.put({ ...loop('c', 5), revision: 13 });
    expect(selection.apply(new Set([id('c')])).rearranged).toBe(true);
    expect(selection.depthOf(id('c'))).toBe(1);
  });
});

it('two that began at once have an order', () => {
  expect([loop('b', 1), loop('a', 1)].sort(asTheyBegan).map(({ taskId }) => taskId[0])).toEqual([
    'a',
    'b',
  ]);
});
