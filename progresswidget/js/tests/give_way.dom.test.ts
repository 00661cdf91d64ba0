import type { NotebookPanel } from '@jupyterlab/notebook';
import { OutputAreaModel } from '@jupyterlab/outputarea';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { displayOf, jobMetadata } from '../src/lab/output';
import { Reattacher } from '../src/lab/reattach';
import { giveWayToKernel, putBack } from '../src/lab/reattach/outputs';
import { watchForJobs } from '../src/lab/reattach/watch';
import { type JobRecord, RECEIPT_MIMETYPE } from '../src/protocol';
import { DONE, record, TASK } from './records';

const OTHER = 'f'.repeat(32);
const TEXT = { output_type: 'stream', name: 'stdout', text: 'x' } as const;

function reattached() {
  const outputs = new OutputAreaModel({ trusted: true });
  const ended = new Signal<object, void>({});
  outputs.add(displayOf(record()));
  giveWayToKernel(outputs, TASK, ended);
  return { outputs, ended };
}

const tasks = (outputs: OutputAreaModel) =>
  outputs.toJSON().map(({ metadata }) => jobMetadata(metadata)?.taskId ?? null);

it('one output of a job is left when the kernel’s own arrives after ours', () => {
  const { outputs } = reattached();
  const own = displayOf(record());
  outputs.add({ ...own, data: { ...(own.data as object), 'text/html': 'from the kernel' } });
  expect(tasks(outputs)).toEqual([TASK]);
  expect(outputs.get(0).data['text/html']).toBe('from the kernel');
});

it('other outputs of the cell come and go', () => {
  const { outputs } = reattached();
  outputs.add(TEXT);
  outputs.add(displayOf(record({ taskId: OTHER })));
  expect(tasks(outputs)).toEqual([TASK, null, OTHER]);
});

it('nothing is taken back after our output was cleared', () => {
  const { outputs } = reattached();
  outputs.clear();
  outputs.add(displayOf(record()));
  outputs.add(displayOf(record()));
  expect(tasks(outputs)).toEqual([TASK, TASK]);
});

it('nothing is taken back after the notebook was closed', () => {
  const { outputs, ended } = reattached();
  ended.emit();
  outputs.add(displayOf(record()));
  expect(tasks(outputs)).toEqual([TASK, TASK]);
});

it('a newer run takes the receipt and the error of the earlier one away with it', () => {
  const outputs = new OutputAreaModel({ trusted: true });
  const receipt = { output_type: 'display_data', data: { [RECEIPT_MIMETYPE]: {} }, metadata: {} };
  const error = { output_type: 'error', ename: 'E', evalue: '', traceback: [] };
  const first = displayOf({ ...DONE, taskId: OTHER });
  const second = displayOf({ ...DONE, taskId: 'e'.repeat(32) });
  outputs.fromJSON([TEXT, first, receipt, second, receipt, error]);
  const plan = [{ cellId: 'cell-1', record: record(), replaces: 1 }];
  putBack(outputs, plan, new Signal<object, void>({}));
  expect(tasks(outputs)).toEqual([null, TASK, 'e'.repeat(32), null]);
  expect(outputs.toJSON().some(({ output_type }) => output_type === 'error')).toBe(false);
  outputs.add(displayOf(record()));
  expect(tasks(outputs)).toEqual([null, 'e'.repeat(32), null, TASK]);
});

it('of a shared notebook is put back what is lost, however many jobs come meanwhile', async () => {
  vi.useFakeTimers();
  try {
    const states = new Map([[1, { progresswidget: true }]]);
    const awareness = { clientID: 1, getStates: () => states };
    const outputs = new OutputAreaModel({ trusted: true });
    const model = {
      collaborative: true,
      sharedModel: { awareness },
      cells: [{ type: 'code', id: 'cell-1', outputs, sharedModel: {} }],
      contentChanged: new Signal<object, void>({}),
    };
    const panel = { model, content: { model, widgets: [] }, context: { contentsModel: null } };
    const living = new AbortController();
    const reattacher = new Reattacher(panel as unknown as NotebookPanel, living.signal);
    const jobs: JobRecord[] = [];
    for (const number of [1, 2, 3, 4]) {
      jobs.unshift(record({ taskId: OTHER.slice(1) + number, path: `/${number}.csv` }));
      reattacher.reattach([...jobs]);
      await vi.advanceTimersByTimeAsync(1_500);
    }
    expect(tasks(outputs)).toContain(jobs.at(-1)?.taskId);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(tasks(outputs)).toEqual(jobs.map(({ taskId }) => taskId).reverse());
    living.abort();
  } finally {
    vi.useRealTimers();
  }
});

describe('the watch over a notebook', () => {
  let busy: boolean;
  let runsHere: boolean;
  let fetched: () => Promise<readonly JobRecord[] | null>;
  let asked: number;
  let kernel: () => void;
  let job: () => void;
  let hears: boolean;
  const unfollowed = vi.fn();
  let living: AbortController;
  const found = vi.fn();
  const start = () => {
    watchForJobs(
      {
        fetch: () => {
          asked += 1;
          return fetched();
        },
        found,
        kernelIsBusy: () => busy,
        runsHere: () => runsHere,
        onKernel: (run) => {
          kernel = run;
          return () => {};
        },
        onJob: (run) => {
          job = run;
          return unfollowed;
        },
        hears: () => hears,
        visible: () => true,
      },
      living.signal,
    );
  };
  const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

  beforeEach(() => {
    vi.useFakeTimers();
    busy = false;
    runsHere = false;
    hears = false;
    asked = 0;
    fetched = async () => [record()];
    living = new AbortController();
    found.mockClear();
    unfollowed.mockClear();
  });
  afterEach(() => {
    living.abort();
    vi.useRealTimers();
  });

  it('asks once while the kernel rests', async () => {
    start();
    await pass(60_000);
    expect(asked).toBe(1);
    expect(found).toHaveBeenCalledWith([record()]);
  });

  it('asks on while a run of before the reload goes on', async () => {
    busy = true;
    start();
    await pass(9_500);
    expect(asked).toBe(4);
    busy = false;
    kernel();
    await pass(60_000);
    expect(asked).toBe(5);
  });

  it('asks when another tab begins a run, and not on while this page runs cells', async () => {
    start();
    await pass(2_000);
    busy = true;
    kernel();
    kernel();
    await pass(3_500);
    expect(asked).toBe(3);
    busy = false;
    kernel();
    await pass(10_000);
    busy = runsHere = true;
    kernel();
    const before = asked;
    await pass(10_000);
    expect(asked).toBe(before + 1);
  });

  it('asks when it is told of a new job, and then not in turn', async () => {
    busy = hears = true;
    start();
    await pass(60_000);
    expect(asked).toBe(1);
    job();
    job();
    await pass(1_000);
    expect(asked).toBe(2);
    living.abort();
    expect(unfollowed).toHaveBeenCalledOnce();
  });

  it('tries a failed request again, and not for ever', async () => {
    fetched = async () => {
      throw new TypeError('no network');
    };
    start();
    await pass(120_000);
    expect(asked).toBe(6);
    fetched = async () => [];
    document.dispatchEvent(new Event('visibilitychange'));
    await pass(10);
    expect(found).toHaveBeenCalledOnce();
  });

  it('does not press a server that knows nothing of it', async () => {
    busy = true;
    fetched = async () => null;
    start();
    await pass(60_000);
    expect(asked).toBe(1);
  });

  it('ends with the notebook', async () => {
    busy = true;
    start();
    await pass(10);
    living.abort();
    await pass(60_000);
    expect(asked).toBe(1);
  });
});
