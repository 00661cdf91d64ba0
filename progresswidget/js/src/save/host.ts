/** Starts the worker of a save; where the host forbids workers, the page does the work itself. */

import type { TransferState } from '../transfer';
import { xsrfHeader } from '../xsrf';
import type { Command, Driver, SaveEntry } from './drive';
import type { FromWorker, ToWorker } from './worker';
import { runHere, startWorker } from './worker?inline-worker';

export function startSave(entry: SaveEntry, report: (state: TransferState) => void): Driver {
  const headers = xsrfHeader(entry.url);
  const waiting: Command[] = [];
  let driver: Driver | null = null;
  const use = (chosen: Driver) => {
    driver = chosen;
    for (const command of waiting.splice(0)) chosen.command(command);
  };
  const inPage = () => use(driveHere(entry, headers, report));
  let worker: Worker;
  try {
    worker = startWorker();
  } catch {
    inPage();
    return { command: (command) => driver?.command(command), end: () => driver?.end() };
  }
  const send = (message: ToWorker) => worker.postMessage(message);
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data !== 'ready') {
      report(data);
      return;
    }
    send({ start: entry, headers });
    use({ command: (command) => send({ command }), end: () => worker.terminate() });
  };
  worker.onerror = (event) => {
    event.preventDefault();
    // A content security policy shows itself only here.
    if (driver === null) inPage();
  };
  return {
    command: (command) => (driver ? driver.command(command) : waiting.push(command)),
    end: () => (driver ? driver.end() : worker.terminate()),
  };
}

/** The worker's code on a port of the page's own: there is no second copy of it. */
function driveHere(
  entry: SaveEntry,
  headers: Readonly<Record<string, string>>,
  report: (state: TransferState) => void,
): Driver {
  const port = {
    onmessage: (_: { readonly data: ToWorker }) => {},
    postMessage(message: FromWorker) {
      if (message !== 'ready') report(message);
    },
  };
  runHere(port);
  const send = (data: ToWorker) => port.onmessage({ data });
  send({ start: entry, headers });
  return {
    command: (command) => send({ command }),
    end: () => send({ command: 'pause' }),
  };
}
