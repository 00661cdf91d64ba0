/** The locks by which one page at a time has an upload, or all those of a folder. */

const nameOf = (id: string) => `progresswidget ${id}`;

/** One page at a time; where the browser has no locks, the server sees to it. */
export async function exclusively(id: string, run: () => Promise<unknown>): Promise<boolean> {
  if (!navigator.locks) {
    await run();
    return true;
  }
  return await navigator.locks.request(nameOf(id), { ifAvailable: true }, async (lock) => {
    if (lock) await run();
    return lock !== null;
  });
}

/** Keep other pages away until the signal aborts. */
export function holdUntil(signal: AbortSignal, id: string): void {
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  void navigator.locks?.request(nameOf(id), () => over);
}

/** Ask once what other pages hold; the function returned says it of an upload or a folder. */
export async function heldElsewhere(): Promise<(id: string) => boolean> {
  const held = new Set((await navigator.locks?.query())?.held?.map(({ name }) => name));
  return (id) => held.has(nameOf(id));
}
