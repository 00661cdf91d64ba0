/** The outputs of a cell: put back, given up to the kernel's own, and never there twice. */

import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { ISignal } from '@lumino/signaling';
import { RECEIPT_MIMETYPE } from '../../protocol';
import { displayOf, ownMetadata } from '../output';
import type { Reattachment } from './plan';

/**
 * Add the outputs of one cell; what an earlier run left behind a replaced one goes with it.
 *
 * @param ended Until when ours give way to the kernel's; null where that is looked for otherwise.
 */
export function putBack(
  outputs: IOutputAreaModel,
  plan: readonly Reattachment[],
  ended: ISignal<unknown, unknown> | null,
): void {
  const stale = staleOutputs(outputs, plan);
  if (stale.size > 0) {
    const all = outputs.toJSON();
    for (const { record, replaces } of plan) {
      if (replaces === null) all.push(displayOf(record));
      else all[replaces] = displayOf(record);
    }
    outputs.fromJSON(all.filter((_, index) => !stale.has(index)));
  } else {
    for (const { record, replaces } of plan) {
      if (replaces === null) outputs.add(displayOf(record));
      else outputs.set(replaces, displayOf(record));
    }
  }
  if (ended === null) return;
  for (const { record } of plan) giveWayToKernel(outputs, record.taskId, ended);
}

/** The receipts of the jobs that are replaced, and the error that ended their run. */
function staleOutputs(outputs: IOutputAreaModel, plan: readonly Reattachment[]): Set<number> {
  const stale = new Set<number>();
  const replaced = new Set(plan.map(({ replaces }) => replaces));
  let passed = false;
  let own = false;
  for (let index = 0; index < outputs.length; index += 1) {
    const output = outputs.get(index);
    if (ownMetadata(output.metadata)) {
      own = replaced.has(index);
      passed ||= own;
    } else if ((own && RECEIPT_MIMETYPE in output.data) || (passed && output.type === 'error')) {
      stale.add(index);
    }
  }
  return stale;
}

/** The outputs whose job an earlier one of the same cell shows already. */
export function repeated(outputs: IOutputAreaModel): number[] {
  const kept = new Map<string, number>();
  const twice: number[] = [];
  for (let index = 0; index < outputs.length; index += 1) {
    const taskId = ownMetadata(outputs.get(index).metadata)?.taskId;
    if (taskId === undefined) continue;
    if (kept.has(taskId)) twice.push(index);
    else kept.set(taskId, index);
  }
  return twice;
}

/**
 * Take out what is there twice, in the shared cell itself: what `outputs` are told to remove reaches
 * the other pages only if it is the first (JupyterLab 4.6).
 */
export function removeRepeated({ outputs, sharedModel }: ICodeCellModel): void {
  const shared = sharedModel as { updateOutputs?(start: number, end: number, by: []): void };
  for (const index of repeated(outputs).reverse()) shared.updateOutputs?.(index, index + 1, []);
}

/** Take our output back when the kernel's own arrives as well (a shared or replayed document). */
export function giveWayToKernel(
  outputs: IOutputAreaModel,
  taskId: string,
  ended: ISignal<unknown, unknown>,
): void {
  const check = () => {
    const all = outputs.toJSON();
    const same = all.flatMap((output, index) =>
      ownMetadata(output.metadata)?.taskId === taskId ? [index] : [],
    );
    if (same.length === 1) return;
    outputs.changed.disconnect(check);
    if (same.length > 1) outputs.fromJSON(all.filter((_, index) => index !== same[0]));
  };
  outputs.changed.connect(check);
  ended.connect(() => outputs.changed.disconnect(check));
}
