/** What a person can do with a job from a list of many: pure functions of its record. */

import { isTerminal, type JobRecord } from '../protocol';

/** In the order in which menus and rows have them. */
export const CHOICES = [
  'pause',
  'resume',
  'cancel',
  'download',
  'retry',
  'again',
  'show',
  'link',
  'notebook',
  'forget',
] as const;

export type Choice = (typeof CHOICES)[number];

/**
 * Say what is open for a job.
 *
 * @param connected Whether the server would hear of it now.
 */
export function choicesFor(record: JobRecord, connected: boolean): ReadonlySet<Choice> {
  const choices = new Set<Choice>();
  const { status, kind, pending, notebook, cellId, contents, url, source } = record;
  const ended = isTerminal(status);
  if (notebook !== null) choices.add('notebook');
  if (!connected) return choices;
  // What was sent is where it was, a group is its parts, and a loop makes no file.
  const here = (kind === 'export' || kind === 'download') && url !== null;
  if (here && (status === 'done' || (record.appendOnly && isAtWork(record)))) {
    choices.add('download');
  }
  if (status === 'done' && here && contents !== null) choices.add('show').add('link');
  if (ended) choices.add('forget');
  if (ended && status !== 'done' && notebook !== null && cellId !== null) choices.add('retry');
  // A conversion is the server's own, which goes on with it.
  if (status === 'interrupted' && source !== null) choices.add('again');
  // Nothing replaces a pending cancel.
  if (ended || pending === 'cancel' || !record.obeys) return choices;
  choices.add('cancel');
  if (status === 'running' && pending !== 'pause') choices.add('pause');
  if (status === 'paused' && pending !== 'resume') choices.add('resume');
  return choices;
}

function isAtWork({ status }: JobRecord): boolean {
  return status === 'running' || status === 'paused';
}

/** Those that a row shows as buttons; the rest is in its menu. */
export function buttonsFor(choices: ReadonlySet<Choice>): readonly Choice[] {
  const shown: readonly Choice[] = [
    'pause',
    'resume',
    'cancel',
    'download',
    'show',
    'retry',
    'again',
  ];
  return shown.filter((choice) => choices.has(choice));
}
