/** Which jobs have lost their output, and where it goes: decisions over values. */

import { isTerminal, type JobRecord } from '../../protocol';

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
