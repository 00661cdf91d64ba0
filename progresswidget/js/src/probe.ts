/** Finds out whether the page's server knows a job, and goes on asking while it cannot be reached. */

import type { Channel } from './channel/channel';
import { channelOf, fetchJob, type Server } from './server';

/** Milliseconds between two tries, at first and at most. */
const FIRST = 2_000;
const LONGEST = 60_000;

/**
 * Call `found` with the channel to the server once it knows the job, and `missed` as often as it
 * does not.
 */
export async function probe(
  server: Server,
  taskId: string,
  found: (channel: Channel) => void,
  missed: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (let delay = FIRST; !signal.aborted; delay = Math.min(2 * delay, LONGEST)) {
    const known = await fetchJob(server, taskId, signal);
    if (signal.aborted) return;
    if (known) {
      found(channelOf(server));
      return;
    }
    missed();
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
