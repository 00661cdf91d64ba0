import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVERYTHING, isSingle, matches, type Query, summarise } from '../src/jobs/query';
import { Records } from '../src/jobs/records';
import { Selection } from '../src/jobs/selection';
import type { JobRecord } from '../src/protocol';
import { GROUP, GROUP_DONE, group, PARTS_DONE, parts } from './parts';
import { CANCELLED, DONE, FAILED, record } from './records';

const id = (index: number) => index.toString(16).padStart(32, '0');

/** Records whose turn ends when the test says so. */
function world() {
  const due: (() => void)[] = [];
  const records = new Records((run) => due.push(run));
  const end = () => {
    const turns = due.splice(0);
    for (const run of turns) run();
    return turns.length;
  };
  return { records, end };
}

describe('records', () => {
  it('tell all changes of a turn in one', () => {
    const { records, end } = world();
    const told: string[][] = [];
    const living = new AbortController();
    records.follow((changed) => told.push([...changed]), living.signal);
    for (let index = 0; index < 500; index += 1) {
      records.put(record({ taskId: id(index % 5), revision: index, updated: index }));
    }
    expect(end()).toBe(1);
    expect(told).toEqual([[id(0), id(1), id(2), id(3), id(4)]]);
    expect(end()).toBe(0);
    living.abort();
    records.remove(id(0));
    end();
    expect(told).toHaveLength(1);
  });

  it('are never older than they were', () => {
    const { records } = world();
    expect(records.put(record({ revision: 5, updated: 50 }))).toBe(true);
    expect(records.put(record({ revision: 4, updated: 60 }))).toBe(false);
    expect(records.put(record({ revision: 5, updated: 49 }))).toBe(false);
    expect(records.put(record({ revision: 5, updated: 51, pending: 'pause' }))).toBe(true);
    // Of a server whose clock is behind, or was set back.
    expect(records.put(record({ revision: 6, updated: 20 }))).toBe(true);
    expect(records.put(record({ generation: 2, revision: 1, updated: 10 }))).toBe(true);
    expect(records.put(record({ generation: 1, revision: 9, updated: 80 }))).toBe(false);
  });

  it('become what a list of the server has', () => {
    const { records } = world();
    records.put(record({ taskId: id(1) }));
    records.put(record({ taskId: id(2) }));
    records.replace([record({ taskId: id(2) }), record({ taskId: id(3) })]);
    expect([...records.values()].map(({ taskId }) => taskId)).toEqual([id(2), id(3)]);
  });
});

describe('a query', () => {
  const query = (changes: Partial<Query>) => ({ ...EVERYTHING, ...changes });

  it.each([
    ['', true],
    ['flights', true],
    ['FLIGHTS  csv', true],
    ['work ipynb', true],
    ['alice', false],
    ['ｆｌｉｇｈｔｓ', true],
    ['flights parquet', false],
  ])('for "%s" has all its words: %s', (text, found) => {
    expect(matches(record(), query({ text }))).toBe(found);
  });

  it('finds the folders of a file that the file browser does not show', () => {
    expect(matches(record({ contents: null }), query({ text: 'alice' }))).toBe(true);
  });

  it('finds a letter without its accent', () => {
    expect(matches(record({ name: 'Févriér.csv' }), query({ text: 'fevrier' }))).toBe(true);
  });

  it('leaves states out', () => {
    const statuses = new Set(['failed'] as const);
    expect(matches(FAILED, query({ statuses }))).toBe(true);
    expect(matches(DONE, query({ statuses }))).toBe(false);
  });
});

describe('a selection', () => {
  const change = fc.record({
    index: fc.nat(11),
    goes: fc.boolean(),
    name: fc.constantFrom('a.csv', 'b.csv', 'a10.csv', 'a9.csv'),
    status: fc.constantFrom('running', 'paused', 'done', 'failed') as fc.Arbitrary<
      JobRecord['status']
    >,
    bytes: fc.nat(5),
    created: fc.nat(3),
  });
  const turns = fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 12 });
  const order = fc.constantFrom('newest', 'name', 'size', 'state') as fc.Arbitrary<Query['order']>;

  it('is at each turn what a fresh one would be, and says which rows to draw', () => {
    fc.assert(
      fc.property(turns, order, fc.boolean(), (all, order, few) => {
        const { records, end } = world();
        const query = { text: 'a', statuses: few ? new Set(['running'] as const) : null, order };
        const selection = new Selection(records, query, 'en');
        let updated = 0;
        records.follow((changed) => {
          const before = selection.keys;
          const { rearranged, rows } = selection.apply(changed);
          const fresh = new Selection(records, query, 'en').keys;
          expect(selection.keys).toEqual(fresh);
          if (!rearranged) expect(fresh).toEqual(before);
          expect(new Set(rows)).toEqual(new Set([...changed].filter((key) => fresh.includes(key))));
        }, new AbortController().signal);
        for (const turn of all) {
          for (const { index, goes, ...changes } of turn) {
            updated += 1;
            if (goes) records.remove(id(index));
            else records.put(record({ ...changes, taskId: id(index), path: '', updated }));
          }
          end();
        }
      }),
    );
  });

  it('is not arranged anew by progress alone', () => {
    const { records, end } = world();
    for (let index = 0; index < 2_000; index += 1) records.put(record({ taskId: id(index) }));
    end();
    const selection = new Selection(records, EVERYTHING, 'en');
    const keys = selection.keys;
    records.put(record({ taskId: id(7), progress: 50, updated: 1_712_000_002_900 }));
    expect(selection.apply(new Set([id(7)]))).toEqual({ rearranged: false, rows: [id(7)] });
    expect(selection.keys).toBe(keys);
  });

  it('follows another query at once', () => {
    const { records } = world();
    records.put({ ...DONE, taskId: id(1) });
    records.put({ ...FAILED, taskId: id(2) });
    const selection = new Selection(records, EVERYTHING, 'en');
    selection.query = { ...EVERYTHING, statuses: new Set(['failed']) };
    expect(selection.keys).toEqual([id(2)]);
  });
});

describe('the parts of a group', () => {
  const other = { ...DONE, taskId: 'a'.repeat(32), created: DONE.created - 1 };
  const of = (...jobs: readonly JobRecord[]) => {
    const { records, end } = world();
    for (const job of jobs) records.put(job);
    end();
    return { records, selection: new Selection(records, EVERYTHING, 'en') };
  };
  const inOrder = [...parts()].reverse().map(({ taskId }) => taskId);

  it('follow it, however all is sorted, and can be closed', () => {
    const { selection } = of(other, ...parts(), group());
    expect(selection.keys).toEqual([GROUP, ...inOrder, other.taskId]);
    expect(selection.isOpen(GROUP)).toBe(true);
    expect(selection.isOpen(other.taskId)).toBeNull();
    selection.flip(GROUP);
    expect(selection.keys).toEqual([GROUP, other.taskId]);
    expect(selection.isOpen(GROUP)).toBe(false);
    selection.query = { ...EVERYTHING, order: 'name' };
    expect(selection.keys).toEqual([other.taskId, GROUP]);
    selection.unfold(parts()[3]?.taskId ?? '');
    expect(selection.keys[0]).toBe(other.taskId);
    expect(selection.keys[2]).toBe(parts()[5]?.taskId);
  });

  it('are folded away when it is done, and opened by a search for one of them', () => {
    const { records, selection } = of(other, ...parts(), group());
    for (const part of PARTS_DONE) records.put({ ...part, revision: 900 });
    records.put({ ...GROUP_DONE, revision: 900 });
    expect(selection.apply(new Set([GROUP])).rearranged).toBe(true);
    expect(selection.keys).toEqual([GROUP, other.taskId]);
    selection.query = { ...EVERYTHING, text: 'payroll' };
    expect(selection.keys).toEqual([parts()[4]?.taskId]);
    selection.query = { ...EVERYTHING, statuses: new Set(['done']) };
    expect(selection.keys).toEqual([GROUP, ...inOrder, other.taskId]);
  });

  it('have it drawn anew when the first comes and the last goes', () => {
    const { records, selection } = of(group());
    const [part] = parts() as [JobRecord];
    records.put(part);
    expect(selection.apply(new Set([part.taskId])).rows).toContain(GROUP);
    records.remove(part.taskId);
    expect(selection.apply(new Set([part.taskId])).rows).toEqual([GROUP]);
    expect(selection.isOpen(GROUP)).toBeNull();
  });

  it('stand by themselves where none is there, and none is lost in a circle', () => {
    const [one, two] = [
      record({ taskId: id(1), parent: id(2) }),
      record({ taskId: id(2), parent: id(1) }),
    ];
    expect(of(...parts()).selection.keys).toHaveLength(8);
    expect(of(one, two).selection.keys).toHaveLength(2);
    const inner = record({ taskId: id(3), kind: 'group', parent: GROUP });
    const innermost = record({ taskId: id(4), parent: id(3) });
    const { selection } = of(innermost, group(), inner);
    selection.flip(GROUP);
    expect(selection.keys).toEqual([GROUP]);
  });
});

describe('the sum of all jobs', () => {
  it('counts the states, and the progress of those that go on', () => {
    const all = [record({ progress: 20 }), record({ progress: 60 }), DONE, FAILED, CANCELLED];
    expect(summarise(all)).toMatchObject({
      count: { running: 2, done: 1, failed: 1, cancelled: 1 },
      active: 2,
      progress: 40,
    });
    expect(summarise([record({ progress: null })])).toMatchObject({ active: 1, progress: null });
    expect(summarise([])).toMatchObject({ active: 0, progress: null });
  });

  it('is not about groups nor about loops within loops, which are in others', () => {
    const kinds = ['export', 'group', 'task'].map((kind) => record({ kind }));
    expect(kinds.map(isSingle)).toEqual([true, false, true]);
    const parts = ['export', 'task'].map((kind) => record({ kind, parent: 'e'.repeat(32) }));
    expect(parts.map(isSingle)).toEqual([true, false]);
  });
});
