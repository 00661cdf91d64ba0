/** When to ask the server for the jobs of a notebook again. */

import { Backoff } from '../../backoff';
import type { JobRecord } from '../../protocol';

// Milliseconds.
const SETTLE = 300;
const LOOK_EVERY = 3_000;
const IDLE_AFTER = 1_000;

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
