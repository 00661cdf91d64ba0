import { OutputAreaModel } from '@jupyterlab/outputarea';
import { Signal } from '@lumino/signaling';
import { expect, it } from 'vitest';
import { displayOf, jobMetadata } from '../src/lab/output';
import { giveWayToKernel } from '../src/lab/reattach';
import { record, TASK } from './records';

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
