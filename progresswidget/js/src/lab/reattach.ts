/** Brings bars back by the id of their cell into notebooks that were reloaded unsaved. */

import type { ICodeCellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { ISignal } from '@lumino/signaling';
import { isTerminal, type JobRecord } from '../protocol';
import { fetchJobsOfNotebook, type Server } from '../server';
import { displayOf, jobMetadata } from './output';

/** What a plan needs to know of a cell. */
export interface CellState {
  readonly id: string;
  /** The page itself ran the cell, and gets its output from the kernel. */
  readonly ownRun: boolean;
  /** For each output the job that it shows, if it shows one. */
  readonly jobs: readonly (ShownJob | null)[];
}

export interface ShownJob {
  readonly taskId: string;
  readonly path: string | null;
}

export interface Reattachment {
  readonly cellId: string;
  readonly record: JobRecord;
  /** The output of an earlier run of the same export, whose place is taken; else null. */
  readonly replaces: number | null;
}

/**
 * Decide which jobs have lost their output.
 *
 * @param cells All code cells of the notebook.
 * @param jobs The notebook's jobs, newest first.
 * @param lastSaved Milliseconds since 1970: an older end was seen, and perhaps cleared by hand.
 */
export function planReattachment(
  cells: readonly CellState[],
  jobs: readonly JobRecord[],
  lastSaved: number,
): Reattachment[] {
  const shown = new Set(cells.flatMap(({ jobs }) => jobs.map((job) => job?.taskId)));
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const done = new Set<string>();
  const plan: Reattachment[] = [];
  for (const record of jobs) {
    const cell = record.cellId === null ? undefined : byId.get(record.cellId);
    if (!cell || done.has(cell.id)) continue;
    done.add(cell.id);
    const wanted = !isTerminal(record.status) || (record.ended ?? record.updated) > lastSaved;
    if (!wanted || cell.ownRun || shown.has(record.taskId)) continue;
    const index = cell.jobs.findIndex((job) => job?.path === record.path);
    plan.push({ cellId: cell.id, record, replaces: index < 0 ? null : index });
  }
  return plan;
}

/** Look after every notebook that is open or will be opened. */
export function watchNotebooks(notebooks: INotebookTracker, server: Server): void {
  const watch = (panel: NotebookPanel) => void reattach(panel, server);
  notebooks.forEach(watch);
  notebooks.widgetAdded.connect((_, panel) => watch(panel));
}

async function reattach(panel: NotebookPanel, server: Server): Promise<void> {
  const living = new AbortController();
  panel.disposed.connect(() => living.abort());
  await panel.context.ready;
  if (panel.isDisposed) return;
  let jobs: JobRecord[];
  try {
    jobs = await fetchJobsOfNotebook(server, panel.context.localPath, living.signal);
  } catch {
    // No server extension, no login or no network: the saved outputs say so by themselves.
    return;
  }
  if (panel.isDisposed) return;
  // From here to the last output without a pause, so that nothing can come in between.
  const models = codeCells(panel);
  const saved = Date.parse(panel.context.contentsModel?.last_modified ?? '');
  const cells = [...models].map(([id, model]) => cellState(id, model.outputs, panel));
  for (const { cellId, record, replaces } of planReattachment(cells, jobs, saved || 0)) {
    const outputs = models.get(cellId)?.outputs;
    if (!outputs) continue;
    if (replaces === null) outputs.add(displayOf(record));
    else outputs.set(replaces, displayOf(record));
    giveWayToKernel(outputs, record.taskId, panel.disposed);
  }
}

function codeCells(panel: NotebookPanel): Map<string, ICodeCellModel> {
  const models = new Map<string, ICodeCellModel>();
  for (const cell of panel.content.model?.cells ?? []) {
    if (cell.type === 'code') models.set(cell.id, cell as ICodeCellModel);
  }
  return models;
}

function cellState(id: string, outputs: IOutputAreaModel, panel: NotebookPanel): CellState {
  const jobs = Array.from({ length: outputs.length }, (_, index) => {
    const found = jobMetadata(outputs.get(index).metadata);
    return found && { taskId: found.taskId, path: found.snapshot?.path ?? null };
  });
  return { id, ownRun: wasRunHere(id, panel), jobs };
}

function wasRunHere(id: string, panel: NotebookPanel): boolean {
  const cell = panel.content.widgets.find(({ model }) => model.id === id);
  return Boolean((cell as { outputArea?: { future?: unknown } } | undefined)?.outputArea?.future);
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
      jobMetadata(output.metadata)?.taskId === taskId ? [index] : [],
    );
    if (same.length === 1) return;
    outputs.changed.disconnect(check);
    if (same.length > 1) outputs.fromJSON(all.filter((_, index) => index !== same[0]));
  };
  outputs.changed.connect(check);
  ended.connect(() => outputs.changed.disconnect(check));
}
