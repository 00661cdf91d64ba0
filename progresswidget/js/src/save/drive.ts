/** Runs one save where it is called: in a worker, or in the page where workers are forbidden. */

import { Backoff } from '../backoff';
import { amend, type Kept } from '../kept';
import { NEW_TRANSFER, type TransferState } from '../transfer';
import { runSave, type SaveJob } from './engine';

/** A save as it is kept for the next page. */
export interface SaveEntry extends SaveJob, Kept {
  readonly name: string;
  /** The person has stopped it: it does not go on by itself. */
  readonly paused: boolean;
}

/** `hint`: the page may be about to go. `hurry`: there is reason to try now. */
export type Command = 'pause' | 'cancel' | 'hint' | 'hurry';

export interface Driver {
  command(command: Command): void;
  /** Let go of everything; for a save that has ended. */
  end(): void;
}

/** @param headers Of each request: only a page can read its cookies, a worker cannot. */
export function drive(
  entry: SaveEntry,
  headers: Readonly<Record<string, string>>,
  report: (state: TransferState) => void,
): Driver {
  const stopping = new AbortController();
  const { signal } = stopping;
  let hinted = false;
  let wake: (() => void) | null = null;

  const rest = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
    });
  const around = {
    signal,
    backoff: new Backoff(),
    headers,
    report,
    keep: (progress: object) => amend('saves', entry.id, progress),
    rest,
    takeHint() {
      const taken = hinted;
      hinted = false;
      return taken;
    },
  };
  void exclusively(entry.id, () => runSave(entry, around)).then((ran) => {
    if (!ran) report({ ...NEW_TRANSFER, status: 'failed', failure: 'elsewhere' });
  });
  return {
    command(command) {
      if (command === 'pause' || command === 'cancel') stopping.abort(command);
      else if (command === 'hint') hinted = true;
      else wake?.();
    },
    end: () => stopping.abort('pause'),
  };
}

/** Milliseconds that a page before this one gets to let go. */
const LOCK_LIMIT = 3_000;

/** Hold the lock of a save, which ends with the page that holds it; false where another keeps it. */
async function exclusively(id: string, run: () => Promise<unknown>): Promise<boolean> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), LOCK_LIMIT);
  try {
    await navigator.locks.request(`progresswidget ${id}`, { signal: limit.signal }, async () => {
      clearTimeout(timer);
      await run();
    });
    return true;
  } catch (error) {
    if (limit.signal.aborted) return false;
    throw error;
  }
}
