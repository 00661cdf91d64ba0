import { describe, expect, it } from 'vitest';
import { displayOf, jobMetadata, withSnapshot } from '../src/lab/output';
import { type CellState, planReattachment } from '../src/lab/reattach/plan';
import { JOB_MIMETYPE, type JobRecord } from '../src/protocol';
import { DONE, record, TASK } from './records';

const OLD = 'a'.repeat(32);
const SAVED = 1_712_000_005_000;
const PATH = record().path;

const cell = (changes: Partial<CellState> = {}): CellState => ({
  id: 'cell-1',
  ownRun: false,
  jobs: [],
  ...changes,
});
const plan = (cells: CellState[], jobs = [record()], saved = SAVED) =>
  planReattachment(cells, jobs, saved).map(({ cellId, record, replaces }) => [
    cellId,
    record.taskId,
    replaces,
  ]);

describe('a lost output', () => {
  it('comes back into its cell while the job is active', () => {
    expect(plan([cell({ jobs: [null, null] })])).toEqual([['cell-1', TASK, null]]);
    expect(plan([cell({ id: 'other' }), cell()])).toEqual([['cell-1', TASK, null]]);
  });

  it('comes back if the job ended after the notebook was saved, and not otherwise', () => {
    expect(DONE.ended).toBe(SAVED + 1000);
    expect(plan([cell()], [DONE])).toHaveLength(1);
    expect(plan([cell()], [DONE], SAVED + 1000)).toEqual([]);
  });

  it('is judged by its last news where the time of the end is unknown', () => {
    const ended = { ...DONE, ended: null };
    expect(plan([cell()], [{ ...ended, updated: SAVED + 1 }])).toHaveLength(1);
    expect(plan([cell()], [{ ...ended, updated: SAVED }])).toEqual([]);
  });

  it('takes the place of an earlier run of the same export', () => {
    const jobs = [null, { taskId: OLD, path: PATH }];
    expect(plan([cell({ jobs })])).toEqual([['cell-1', TASK, 1]]);
  });

  it('leaves the other exports of the cell alone', () => {
    const jobs = [{ taskId: OLD, path: '/home/alice/other.csv' }];
    expect(plan([cell({ jobs })])).toEqual([['cell-1', TASK, null]]);
  });
});

describe('a part of a group', () => {
  const group = record({ kind: 'group', taskId: OLD, path: '/home/alice/Close', name: 'Close' });
  const part = record({ parent: OLD });

  it('is a line in the output of the group, and has none of its own', () => {
    expect(plan([cell()], [part, group])).toEqual([['cell-1', OLD, null]]);
  });

  it('stands for itself where nobody knows of the group any more', () => {
    expect(plan([cell()], [part])).toEqual([['cell-1', TASK, null]]);
  });
});

describe('a cell with several jobs', () => {
  const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32)) as [
    string,
    string,
    string,
    string,
  ];
  const job = (taskId: string, path: string, changes: Partial<JobRecord> = {}) =>
    record({ taskId, path, ...changes });
  const done = (taskId: string, path: string) => ({ ...DONE, taskId, path });
  const ids = (jobs: JobRecord[], cells = [cell()]) => plan(cells, jobs).map(([, id]) => id);

  it('gets back all that are active, the oldest first', () => {
    expect(ids([job(B, 'b'), job(A, 'a')])).toEqual([A, B]);
    expect(ids([job(B, 'a'), job(A, 'a')])).toEqual([A, B]);
  });

  it('gets back what ended in the same run', () => {
    expect(ids([job(B, 'b'), done(A, 'a')])).toEqual([A, B]);
  });

  it('gets back nothing that ended in an earlier run', () => {
    expect(ids([job(B, 'a'), done(A, 'a')])).toEqual([B]);
    expect(ids([done(D, 'b'), done(C, 'a'), done(B, 'b'), done(A, 'a')])).toEqual([C, D]);
    expect(ids([job(C, 'a'), done(B, 'b'), done(A, 'a')])).toEqual([C]);
    expect(ids([job(B, 'b'), { ...done(A, 'a'), kernelId: 'other' }])).toEqual([B]);
  });

  it('does not replace what is still active', () => {
    const shown = [{ taskId: A, path: 'a' }];
    expect(plan([cell({ jobs: shown })], [job(B, 'a'), job(A, 'a')])).toEqual([
      ['cell-1', B, null],
    ]);
  });

  it('does not get back what a person took away on this page', () => {
    expect(planReattachment([cell()], [record()], SAVED, new Set([TASK]))).toEqual([]);
  });
});

describe('nothing is added', () => {
  it.each([
    ['where the output is', [cell({ jobs: [{ taskId: TASK, path: PATH }] })]],
    [
      'where it is in another cell',
      [cell(), cell({ id: 'x', jobs: [{ taskId: TASK, path: PATH }] })],
    ],
    ['where this page ran the cell', [cell({ ownRun: true })]],
    ['where the cell is gone', [cell({ id: 'other' })]],
  ])('%s', (_, cells) => {
    expect(plan(cells)).toEqual([]);
  });

  it('for a job without a cell', () => {
    expect(plan([cell()], [record({ cellId: null })])).toEqual([]);
  });

  it('for any but the newest ended job of a path', () => {
    const jobs = [record({ taskId: OLD, status: 'cancelled', ended: 1 }), DONE];
    expect(plan([cell()], jobs)).toEqual([]);
  });
});

describe('the output', () => {
  it('says again what it was made from', () => {
    const output = displayOf(record());
    expect(output.data).toEqual({
      [JOB_MIMETYPE]: { version: 1, kind: 'export', name: 'flights.csv' },
      'text/plain': 'flights.csv',
    });
    const saved = JSON.parse(JSON.stringify(output));
    expect(jobMetadata(saved.metadata)).toEqual({
      taskId: TASK,
      server: true,
      widget: false,
      snapshot: record({ path: 'flights.csv' }), // the folder is not saved
      parts: [],
    });
  });

  it('keeps the parts of a group, and of none its folder', () => {
    const before = { [JOB_MIMETYPE]: { taskId: OLD, server: true, snapshot: {} } };
    const group = record({ taskId: OLD, kind: 'group', parent: null, title: 'Close' });
    const kept = withSnapshot(before, group, [{ ...DONE, parent: OLD }]);
    const read = jobMetadata(JSON.parse(JSON.stringify(kept)));
    expect(read?.snapshot).toEqual({ ...group, path: group.name });
    expect(read?.parts).toEqual([{ ...DONE, parent: OLD, path: DONE.name }]);
  });

  it('keeps all that is not the snapshot', () => {
    const before = {
      scrolled: true,
      [JOB_MIMETYPE]: { taskId: TASK, server: true, snapshot: {}, later: 1 },
    };
    expect(withSnapshot(before, DONE)).toEqual({
      scrolled: true,
      [JOB_MIMETYPE]: {
        taskId: TASK,
        server: true,
        later: 1,
        snapshot: { ...DONE, path: DONE.name },
      },
    });
  });

  it.each([[undefined], [null], [{}], [{ [JOB_MIMETYPE]: 'x' }], [{ [JOB_MIMETYPE]: {} }]])(
    'of something else is not ours: %j',
    (metadata) => {
      expect(jobMetadata(metadata)).toBeNull();
    },
  );

  it('of a widget view counts as well', () => {
    const metadata = { [JOB_MIMETYPE]: { taskId: TASK, server: false, snapshot: 'broken' } };
    expect(jobMetadata(metadata)).toEqual({
      taskId: TASK,
      server: false,
      widget: false,
      snapshot: null,
      parts: [],
    });
  });
});
