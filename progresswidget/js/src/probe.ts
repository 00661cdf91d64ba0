/** Finds out whether the page's server knows a job, and goes on asking while it may come to. */

import type { Channel } from './channel/channel';
import { isTerminal } from './protocol';
import { decodeSnapshot } from './record';
import { channelOf, fetchJob, type Server } from './server';
import type { JobModel } from './traits';

/** Milliseconds between two tries, at first and at most. */
const FIRST = 2_000;
const LONGEST = 60_000;

/**
 * Call `found` with the channel to the server once it knows the job, and `missed` as often as it
 * does not. What has ended and is forgotten will not be known later either.
 */
export async function probe(
  server: Server,
  model: JobModel,
  found: (channel: Channel) => void,
  missed: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (let delay = FIRST; !signal.aborted; delay = Math.min(2 * delay, LONGEST)) {
    // Nobody looks at a page that is hidden; the first answer says what is drawn in it.
    if (delay === FIRST || !document.hidden) {
      const known = await fetchJob(server, model.get('task_id'), signal);
      if (signal.aborted) return;
      if (known) {
        found(channelOf(server));
        return;
      }
      missed();
      const snapshot = decodeSnapshot(model.get('snapshot'));
      if (known === null && snapshot && isTerminal(snapshot.status)) return;
    }
    await pause(delay, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
