/** What is said in English. */

import type { Messages } from './messages';

const RUN_AGAIN = 'Run the cell again to export from the beginning.';
const RUN_ON = 'Run the cell again: it continues after what is already complete.';
/** Also of what no cell has begun: a script, or a conversion of the server. */
const START_ON = 'Start it again: it goes on where it can.';

/** Of a count as it is written. */
export const rowWord = (count: string) => (count === '1' ? 'row' : 'rows');

export const ENGLISH: Messages = {
  locale: 'en',
  label: (name, kind) =>
    kind === 'download'
      ? `Download of ${name}`
      : kind === 'upload'
        ? `Upload of ${name}`
        : kind === 'group' || kind === 'task' || kind === 'step'
          ? `Progress of ${name}`
          : `Export of ${name}`,
  connecting: 'Connecting',
  status: {
    queued: 'Waiting',
    paused: 'Paused',
    done: 'Done',
    failed: 'Failed',
    cancelled: 'Cancelled',
    interrupted: 'Interrupted',
  },
  phase: {
    starting: 'Starting',
    hashing: 'Comparing',
    reading: 'Reading',
    writing: 'Writing',
    compressing: 'Compressing',
    finishing: 'Finishing',
    connecting: 'Connecting',
    waiting: 'Waiting for the server',
    receiving: 'Receiving',
    sending: 'Sending',
    verifying: 'Verifying',
  },
  action: {
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel',
    download: 'Download',
    follow: 'Download while it is written',
    save: 'Save (resumable)',
    undo: 'Undo',
    continue: 'Continue',
    retry: 'Run again',
    link: 'Copy link (open for an hour)',
    reveal: 'Show in file browser',
    details: 'Details',
    reconnect: 'Reconnect',
  },
  pending: {
    pause: 'Pausing…',
    resume: 'Resuming…',
    cancel: 'Cancelling…',
    download: 'Asking…',
    follow: 'Asking…',
    save: 'Choosing…',
    continue: 'Starting…',
    retry: 'Starting…',
    link: 'Copying…',
    reveal: 'Opening…',
  },
  cancelling: 'Cancelling in a moment',
  copied: 'Link copied',
  details: {
    name: {
      path: 'Path',
      format: 'Format',
      columns: 'Columns',
      options: 'Options',
      steps: 'Steps',
      started: 'Started',
      ended: 'Ended',
      kept: 'Kept from before',
      run: 'Run',
      digest: 'SHA-256',
    },
    more: (count) => `and ${count} more`,
    keptOf: (part, whole, share) => `${part} of ${whole} (${share})`,
    nothingKept: 'Nothing: all of it was written anew',
    runOf: (count) => `Number ${count} of this export`,
  },
  rows: (count) => `${count} ${rowWord(count)}`,
  rowsOf: (count, total) => `${count} of ${total} ${rowWord(total)}`,
  iterations: (count) => `${count} ${count === '1' ? 'iteration' : 'iterations'}`,
  group: {
    running: 'In progress',
    files: (text, count) => `${text} ${count === '1' ? 'file' : 'files'}`,
    loops: (text, count) => `${text} ${count === '1' ? 'loop' : 'loops'}`,
    parts: (name) => `Parts of ${name}`,
    all: (count) => (count === '1' ? 'Show 1 part' : `Show all ${count}`),
    fewer: 'Show fewer',
  },
  step: {
    name: { write: 'Write', send: 'Send', publish: 'Publish' },
    steps: (name) => `Steps of ${name}`,
    all: (count) => `Show all ${count} steps`,
    allUndone: (count, undone) => `Show all ${count} steps, ${undone} undone`,
    said: { undoing: 'Undoing', undone: 'Undone', unbegun: 'Not begun' },
  },
  rowsRead: (count) => `${count} ${rowWord(count)} read`,
  reused: (count) => `${count} kept`,
  rate: (rows) => `${rows} ${rowWord(rows)}/s`,
  sizeOf: (size, total) => `${size} of ${total}`,
  stoppedAt: (amount) => `Stopped at ${amount}`,
  reusedSize: (size) => `${size} kept`,
  speed: (size) => `${size}/s`,
  left: (time) => `${time} left`,
  reconnecting: (attempt, of, cause) =>
    `Reconnecting, ${attempt} of ${of}${cause === null ? '' : `: ${cause}`}`,
  loss: {
    restart: 'the server is restarting',
    slow: 'this page was too slow',
    silent: 'the server fell silent',
  },
  saved: 'Saved state, no kernel',
  progress: 'Progress',
  live: 'Live',
  polling: 'Live without WebSocket',
  offline: {
    unreachable: 'Offline: the server does not answer',
    absent: 'This server has no progresswidget extension',
    login: 'Your login has ended: log in again and reload',
    forbidden: 'You may not see this job on this server',
    version: 'This page and the server differ in version: reload the page',
    malformed: 'The server did not understand: reload the page',
    refused: 'The server refused the connection',
  },
  stopByHand: 'Stop with the notebook’s ■ button',
  failure: {
    unreachable: 'The server cannot be reached. Try again in a moment.',
    login: 'Your login has ended. Log in again and reload the page.',
    forbidden: 'You may not do this on this server.',
    ended: 'The job has ended already.',
    unknownJob: 'This server does not know this job any more.',
    notReady: 'The file is not complete yet.',
    fileGone: 'The file was replaced or deleted. Run the cell again.',
    noLinks: 'This server makes no links that are open for an hour.',
    noCell: 'The cell is not there any more.',
    refused: 'The server refused the request.',
  },
  runForFile: 'To download the file from here, run the cell again.',
  transfer: {
    label: (name) => `Saving ${name}`,
    starting: 'Asking the server',
    checking: 'Checking what is there',
    failed: 'Stopped',
    running: 'Saving',
    done: 'Saved',
    verified: 'Saved and verified',
    waiting: (attempt, of) => `Trying again, ${attempt} of ${of}`,
    action: {
      pause: 'Pause',
      resume: 'Continue',
      again: 'Begin again',
      cancel: 'Cancel',
      dismiss: 'Close',
    },
    failure: {
      unreachable: 'The server cannot be reached. Continue when the network is back.',
      login: 'Your login has ended. Log in again, then continue.',
      forbidden:
        'The server does not allow it. If your login has ended, log in again and continue.',
      missing: 'The server has no such file any more.',
      conflict: 'The server is busy with this file. Continue in a moment.',
      gone: 'The file was replaced or deleted on the server. Run the cell again.',
      changed: 'The file on the server has changed.',
      notReady: 'The server is not ready. Continue in a moment.',
      refused: 'The server refused the request.',
      diskFull: 'The disk of this computer is full. Make room, then continue.',
      noPermission: 'The browser may not use the file. Continue, and allow it.',
      localGone: 'The file on this computer was moved or deleted.',
      damaged: 'What arrived was damaged and thrown away.',
      elsewhere: 'Another page of this browser works on this file.',
    },
  },
  received: {
    label: (name) => `Download of ${name}`,
    running: (bytes) => `Received ${bytes}`,
    complete: (bytes) => `Received, ${bytes}`,
    stopped: (bytes) => `Download stopped at ${bytes}`,
  },
  error: {
    'kernel-died': { message: 'The kernel died.', hint: RUN_ON },
    'kernel-killed': { message: 'The kernel was killed.', hint: RUN_ON },
    'kernel-out-of-memory': {
      message: 'The kernel ran out of memory, and the system killed it.',
      hint: 'Free memory or close other notebooks, then run the cell again: it continues after what is already complete.',
    },
    'kernel-restarted': { message: 'The kernel was restarted.', hint: RUN_ON },
    'kernel-stopped': { message: 'The kernel was shut down.', hint: RUN_ON },
    'process-died': { message: 'The process that was at work ended.', hint: START_ON },
    'kernel-silent': { message: 'Nothing is heard from the process at work.', hint: START_ON },
    'keyboard-interrupt': { message: 'Stopped from the notebook.', hint: RUN_AGAIN },
    'transfer-stopped': { message: 'Stopped from the notebook.', hint: RUN_ON },
    'unknown-task': {
      message:
        'This server does not know this job; it was still running when the notebook was saved.',
      hint: RUN_ON,
    },
  },
};
