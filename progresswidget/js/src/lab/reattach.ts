/** Brings bars back by the id of their cell into notebooks whose outputs the kernel cannot reach. */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { Channel } from '../channel/channel';
import type { JobRecord } from '../protocol';
import { channelOf, fetchJobsOfNotebook, type Server } from '../server';
import { ownMetadata } from './output';
import { putBack, removeRepeated, repeated } from './reattach/outputs';
import { type CellState, planReattachment } from './reattach/plan';
import { watchForJobs } from './reattach/watch';
import { GRACE, isMyTurn, isShared, takePart } from './turns';

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
