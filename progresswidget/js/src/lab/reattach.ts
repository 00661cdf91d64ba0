/** Brings bars back by the id of their cell into notebooks whose outputs the kernel cannot reach. */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { ISignal } from '@lumino/signaling';
import { Backoff } from '../backoff';
import type { Channel } from '../channel/channel';
import { isTerminal, type JobRecord, RECEIPT_MIMETYPE } from '../protocol';
import { channelOf, fetchJobsOfNotebook, type Server } from '../server';
import { displayOf, ownMetadata } from './output';
import { GRACE, isMyTurn, isShared, takePart } from './turns';

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
 * Decide which jobs have lost their output; the oldest comes first, as the cell made them.
 *
 * @param cells All code cells of the notebook.
 * @param jobs The notebook's jobs, newest first.
 * @param lastSaved Milliseconds since 1970: an older end was seen, and perhaps cleared by hand.
 * @param seen Jobs whose output this page had before: if it is gone, a person took it away.
 */
export function planReattachment(
  cells: readonly CellState[],
  jobs: readonly JobRecord[],
  lastSaved: number,
  seen: ReadonlySet<string> = new Set(),
): Reattachment[] {
  // A part is a line in the output of its group, as long as there is one.
  const known = new Set(jobs.map(({ taskId }) => taskId));
  const own = jobs.filter(({ parent }) => parent === null || !known.has(parent));
  const shown = new Set(cells.flatMap(({ jobs }) => jobs.map((job) => job?.taskId)));
  const plan: Reattachment[] = [];
  for (const cell of cells) {
    if (cell.ownRun) continue;
    const current = currentJobs(own.filter(({ cellId }) => cellId === cell.id));
    const kept = new Set(current.map(({ taskId }) => taskId));
    for (const record of current.reverse()) {
      const wanted = !isTerminal(record.status) || (record.ended ?? record.updated) > lastSaved;
      if (!wanted || shown.has(record.taskId) || seen.has(record.taskId)) continue;
      const index = cell.jobs.findIndex(
        (job) => job !== null && job.path === record.path && !kept.has(job.taskId),
      );
      const taken = plan.some((other) => other.cellId === cell.id && other.replaces === index);
      plan.push({ cellId: cell.id, record, replaces: index < 0 || taken ? null : index });
    }
  }
  return plan;
}

/** The jobs of a cell that count, newest first: all active ones, and those of its newest run. */
function currentJobs(jobs: readonly JobRecord[]): JobRecord[] {
  const run = lengthOfNewestRun(jobs);
  const paths = new Set<string>();
  return jobs.filter((record, index) => {
    const newestOfPath = !paths.has(record.path);
    paths.add(record.path);
    return !isTerminal(record.status) || (newestOfPath && index < run);
  });
}

/**
 * How many of a cell's jobs, newest first, are of its newest run.
 *
 * No record says to which run it belongs, but a path that comes again says that between the two a
 * run began. Where that leaves a choice the shorter run is taken: an old end is worse than none.
 * Another kernel is another run for certain.
 */
function lengthOfNewestRun(jobs: readonly JobRecord[]): number {
  const other = jobs.findIndex(({ kernelId }) => kernelId !== jobs[0]?.kernelId);
  const limit = other < 0 ? jobs.length : other;
  const newer = new Map<string, number>();
  const repeated = jobs.findIndex(({ path }, index) => {
    if (newer.has(path)) return true;
    newer.set(path, index);
    return false;
  });
  if (repeated < 0) return limit;
  // Every path of this run that an earlier run had too lies on this side of the border.
  const earlier = new Set(jobs.slice(repeated).map(({ path }) => path));
  const border = jobs.slice(0, repeated).findLastIndex(({ path }) => earlier.has(path));
  return Math.min(limit, border + 1);
}

// Milliseconds.
const SETTLE = 300;
const LOOK_EVERY = 3_000;
const IDLE_AFTER = 1_000;

/** Look after every notebook that is open or will be opened. */
export function watchNotebooks(notebooks: INotebookTracker, server: Server): void {
  const watch = (panel: NotebookPanel) => void watchNotebook(panel, server);
  notebooks.forEach(watch);
  notebooks.widgetAdded.connect((_, panel) => watch(panel));
}

async function watchNotebook(panel: NotebookPanel, server: Server): Promise<void> {
  const living = new AbortController();
  panel.disposed.connect(() => living.abort());
  await panel.context.ready;
  if (panel.isDisposed) return;
  takePart(panel.model);
  const reattacher = new Reattacher(panel, living.signal);
  const channel = channelOf(server);
  watchForJobs(
    {
      fetch: () => fetchJobsOfNotebook(server, panel.context.localPath, living.signal),
      found: (jobs) => reattacher.reattach(jobs),
      kernelIsBusy: () => {
        // After a reload a busy kernel has told nothing about itself yet.
        const status = panel.sessionContext.session?.kernel?.status;
        return status === 'busy' || status === 'unknown';
      },
      runsHere: () => panel.content.widgets.some(isRunning),
      onKernel: (run) => {
        panel.sessionContext.statusChanged.connect(run);
        return () => panel.sessionContext.statusChanged.disconnect(run);
      },
      onJob: (run) => onNewJob(panel, channel, run),
      hears: () => channel.connection.kind === 'live',
      visible: () => document.visibilityState === 'visible',
    },
    living.signal,
  );
}

/** Call `run` for each job of the notebook that was not there before, wherever it was started. */
function onNewJob(panel: NotebookPanel, channel: Channel, run: () => void): () => void {
  const known = new Set<string>();
  let end = () => {};
  const follow = () => {
    end();
    end = channel.followNotebook(panel.context.localPath, ({ taskId }) => {
      if (known.has(taskId)) return;
      known.add(taskId);
      run();
    });
  };
  follow();
  // A notebook may be renamed, and its jobs go with it.
  panel.context.pathChanged.connect(follow);
  return () => {
    panel.context.pathChanged.disconnect(follow);
    end();
  };
}

/** What the watch over one notebook needs; the page and the kernel in a test's hands. */
export interface Watched {
  /** The notebook's jobs, or null where the server knows none of this and need not be asked. */
  fetch(): Promise<readonly JobRecord[] | null>;
  found(jobs: readonly JobRecord[]): void;
  kernelIsBusy(): boolean;
  /** Whether this page runs a cell, whose outputs come from the kernel. */
  runsHere(): boolean;
  onKernel(run: () => void): () => void;
  /** Be told of jobs that were not there before; called once the server knows of jobs at all. */
  onJob(run: () => void): () => void;
  /** Whether it would be told now. */
  hears(): boolean;
  visible(): boolean;
}

/**
 * Ask for the jobs now and whenever there may be new ones that the kernel will not show here: a
 * queued cell or a loop of before the reload, a cell that another tab runs. The channel tells of
 * them; where there is none, a kernel that works on something of others is asked about in turn.
 */
export function watchForJobs(watched: Watched, signal: AbortSignal): void {
  const backoff = new Backoff();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  let again = false;
  let endJobs: (() => void) | null = null;
  // The kernel works on something that this page did not start, until it was idle for a while.
  let foreign = watched.kernelIsBusy();
  let idleSince: number | null = null;

  const after = (milliseconds: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), milliseconds);
  };
  const ask = async () => {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    again = false;
    let jobs: readonly JobRecord[] | null = null;
    let failed = false;
    try {
      jobs = await watched.fetch();
    } catch {
      // No network, or a server in trouble: the saved outputs say so by themselves.
      failed = true;
    }
    asking = false;
    if (signal.aborted) return;
    if (failed) {
      const delay = backoff.next();
      if (delay === null) backoff.reset();
      else after(delay);
      return;
    }
    backoff.reset();
    if (jobs === null) return;
    watched.found(jobs);
    endJobs ??= watched.onJob(() => after(SETTLE));
    const deaf = !watched.hears();
    if (again) after(SETTLE);
    else if (deaf && foreign && watched.kernelIsBusy() && watched.visible()) after(LOOK_EVERY);
  };
  const onKernel = () => {
    if (watched.kernelIsBusy()) {
      const rested = idleSince !== null && performance.now() - idleSince > IDLE_AFTER;
      if (rested) foreign = false;
      if (!watched.runsHere()) foreign = true;
      idleSince = null;
    } else {
      idleSince ??= performance.now();
    }
    after(SETTLE);
  };
  const endKernel = watched.onKernel(onKernel);
  document.addEventListener(
    'visibilitychange',
    () => {
      if (watched.visible()) after(0);
    },
    { signal },
  );
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    endKernel();
    endJobs?.();
  });
  void ask();
}

/** Puts lost outputs back into one notebook. */
export class Reattacher {
  readonly #panel: NotebookPanel;
  readonly #seen = new Set<string>();
  readonly #lastSaved: number;
  readonly #signal: AbortSignal;
  #jobs: readonly JobRecord[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(panel: NotebookPanel, signal: AbortSignal) {
    this.#panel = panel;
    this.#signal = signal;
    if (isShared(panel.model)) this.#tidyAfterMerges();
    // As the page found it: what ends later is news here, whenever the notebook is saved.
    this.#lastSaved = Date.parse(panel.context.contentsModel?.last_modified ?? '') || 0;
  }

  /** Two pages may have written all the same, if the network was slow: what is twice goes. */
  #tidyAfterMerges(): void {
    const { model } = this.#panel;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tidy = () => {
      if (this.#signal.aborted || !isMyTurn(model)) return;
      for (const cell of codeCells(this.#panel).values()) removeRepeated(cell);
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(tidy, GRACE);
    };
    model?.contentChanged.connect(soon);
    this.#signal.addEventListener('abort', () => {
      clearTimeout(timer);
      model?.contentChanged.disconnect(soon);
    });
  }

  /** Put back what is lost; what another page may be about to write is looked for once more. */
  reattach(jobs: readonly JobRecord[], waited = false): void {
    this.#jobs = jobs;
    const shared = isShared(this.#panel.model);
    const mine = !shared || (waited && isMyTurn(this.#panel.model));
    const rest = this.#look(jobs, mine);
    if (!shared || !rest || this.#signal.aborted) return;
    // What comes in between does not begin the wait anew: of a loop of jobs it would have no end.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#signal.aborted) this.reattach(this.#jobs, true);
    }, GRACE);
  }

  /**
   * Without a pause from the search to the last output: nothing can come in between.
   *
   * @param write Whether this page may write; where it may not, nothing is changed.
   * @returns Whether there is something left to do.
   */
  #look(jobs: readonly JobRecord[], write: boolean): boolean {
    const models = codeCells(this.#panel);
    const cells = [...models].map(([id, model]) => cellState(id, model.outputs, this.#panel));
    const plan = planReattachment(cells, jobs, this.#lastSaved, this.#seen);
    for (const cell of cells) for (const job of cell.jobs) if (job) this.#seen.add(job.taskId);
    const shared = isShared(this.#panel.model);
    const twice =
      shared && [...models.values()].some(({ outputs }) => repeated(outputs).length > 0);
    if (!write) return plan.length > 0 || twice;
    for (const [id, model] of models) {
      const records = plan.filter(({ cellId }) => cellId === id);
      if (records.length > 0) putBack(model.outputs, records, shared ? null : this.#panel.disposed);
      if (shared) removeRepeated(model);
    }
    for (const { record } of plan) this.#seen.add(record.taskId);
    return false;
  }
}

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
function repeated(outputs: IOutputAreaModel): number[] {
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

function codeCells(panel: NotebookPanel): Map<string, ICodeCellModel> {
  const models = new Map<string, ICodeCellModel>();
  for (const cell of panel.content.model?.cells ?? []) {
    if (cell.type === 'code') models.set(cell.id, cell as ICodeCellModel);
  }
  return models;
}

function cellState(id: string, outputs: IOutputAreaModel, panel: NotebookPanel): CellState {
  const jobs = Array.from({ length: outputs.length }, (_, index) => {
    const found = ownMetadata(outputs.get(index).metadata);
    return found && { taskId: found.taskId, path: found.snapshot?.path ?? null };
  });
  return { id, ownRun: wasRunHere(id, panel), jobs };
}

function wasRunHere(id: string, panel: NotebookPanel): boolean {
  const cell = panel.content.widgets.find(({ model }) => model.id === id);
  return Boolean((cell as { outputArea?: { future?: unknown } } | undefined)?.outputArea?.future);
}

function isRunning({ model }: Cell): boolean {
  return model.type === 'code' && (model as ICodeCellModel).executionState === 'running';
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
