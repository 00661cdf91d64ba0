/** What a bar shows for a record and a connection: pure values, no DOM. */

import { type Connection, hears } from '../channel/connection';
import { errorText, type Messages } from '../i18n';
import { isTerminal, type JobRecord, type Phase, type Status } from '../protocol';
import { type Part, type PartName, partsOf } from './amounts';
import { isDeaf, linkText } from './connection_words';
import type { ButtonName, StateIcon } from './icons';
import { isGroup, isTask, makesFile } from './kinds';
import { buttonsFor, offlineButtons } from './offered';
import { STEP } from './step_records';

/** The colour and the motion of the bar. */
export type Stage =
  | 'connecting'
  | 'queued'
  | 'working'
  | 'finishing'
  | 'stopped'
  | Exclude<Status, 'running' | 'queued'>;

export interface Presentation {
  readonly state: Status;
  readonly stage: Stage;
  readonly icon: StateIcon;
  /** What is going on, in a word or two. */
  readonly words: string;
  /** 0 to 100, or null where the total is unknown. */
  readonly percent: number | null;
  readonly moving: boolean;
  /** Nobody knows how much there is: a ring in the place of the bar. */
  readonly ring: boolean;
  readonly valueText: string;
  readonly parts: ReadonlyMap<PartName, Part>;
  /** Nothing is known yet. */
  readonly blank: boolean;
  /** The numbers are what was last heard, not what is. */
  readonly stale: boolean;
  /** A loop that was to leave nothing has come to its end. */
  readonly gone: boolean;
  readonly buttons: ReadonlySet<ButtonName>;
  readonly note: { readonly message: string; readonly hint: string } | null;
  /** How the page hears of it, or what to do without; null where there is nothing to hear of. */
  readonly link: string | null;
  /** All is well with that: it need not be read. */
  readonly quiet: boolean;
}

export interface Situation {
  readonly record: JobRecord | null;
  readonly connection: Connection;
  /** The progress that was shown last, below which the bar does not go. */
  readonly floor: number;
  readonly canDownload: boolean;
  /** The page can write to a file of the person, and does not do so for this job yet. */
  readonly canSave?: boolean;
  /** The server says that it does not know the job. */
  readonly unknown?: boolean;
  /** Whole seconds since the record was true, while the job runs. */
  readonly ahead?: number;
  /** A cancel can be taken back, and has not left the page yet. */
  readonly cancelling?: boolean;
  /** The cell that made the job can be run again from here. */
  readonly canRerun?: boolean;
  readonly canLink?: boolean;
  readonly canReveal?: boolean;
}

export function present(situation: Situation, messages: Messages): Presentation {
  const { record, connection } = situation;
  if (record === null) return presentNothing(situation, messages);
  const percent = percentOf(record, situation.floor);
  const ended = isTerminal(record.status);
  const stale = !ended && !hears(connection) && connection.kind !== 'comm';
  const parts = partsOf(record, percent, situation.ahead ?? 0, messages);
  let words = situation.cancelling ? messages.cancelling : wordsFor(record, messages);
  const stage = stageOf(record);
  if (stage === 'stopped') {
    words = messages.stoppedAt(parts.get('rows')?.text as string);
  }
  if (stale) {
    // A rate and a time left that are old would be lies.
    parts.delete('rate');
    parts.delete('elapsed');
    parts.delete('time');
  }
  return {
    state: record.status,
    stage,
    icon: stage === 'stopped' ? stage : record.status,
    words,
    percent,
    moving: record.status === 'running',
    ring: percent === null && isAtWork(record) && stage !== 'connecting',
    valueText: (stage === 'stopped'
      ? [words]
      : [words, parts.get('percent')?.text, parts.get('rows')?.text]
    )
      .filter((text) => text !== undefined)
      .join(', '),
    parts,
    blank: false,
    stale,
    gone: !record.leave && record.status === 'done',
    buttons: buttonsFor(situation, record),
    note: noteFor(situation, record, messages),
    link: ended ? null : linkText(connection, record, messages),
    quiet:
      connection.kind === 'live' || (connection.kind === 'comm' && !isDeaf(connection, record)),
  };
}

function presentNothing({ connection, unknown }: Situation, messages: Messages): Presentation {
  const offline = connection.kind === 'offline';
  // The answer has come, and it is that there is none.
  const nowhere = unknown === true && !offline;
  const waits = !offline && !nowhere;
  return {
    state: 'queued',
    stage: 'connecting',
    icon: 'connecting',
    words: waits ? messages.connecting : '',
    percent: null,
    moving: waits,
    ring: false,
    valueText: messages.connecting,
    parts: new Map(),
    blank: waits,
    stale: !waits,
    gone: false,
    buttons: offlineButtons(connection),
    note: nowhere ? { message: messages.failure.unknownJob, hint: '' } : null,
    link: SILENT.has(connection.kind) ? null : linkText(connection, null, messages),
    quiet: false,
  };
}

/** Of which the words or the note say enough while nothing else is known. */
const SILENT: ReadonlySet<Connection['kind']> = new Set(['connecting', 'live', 'comm']);

function stageOf(record: JobRecord): Stage {
  const { status, rows, total } = record;
  // A loop that was left has done what it was let do, and that is not all.
  if (isTask(record) && status === 'done' && rows < (total ?? 0)) return 'stopped';
  if (status !== 'running') return status;
  if (BEGINNING.has(record.phase)) return 'connecting';
  return ENDING.has(record.phase) || (record.progress ?? 0) >= LAST ? 'finishing' : 'working';
}

const BEGINNING: ReadonlySet<Phase> = new Set(['starting', 'connecting', 'waiting']);
const ENDING: ReadonlySet<Phase> = new Set(['finishing', 'verifying']);
/** Percent from which a bar is about to be full. */
const LAST = 95;

function isAtWork({ status }: JobRecord): boolean {
  return status === 'running' || status === 'paused';
}

export function wordsFor(record: JobRecord, messages: Messages): string {
  if (record.kind === STEP && record.postfix) return record.postfix;
  if (record.status === 'running' && record.steps.some(({ status }) => status === 'undoing')) {
    return messages.step.said.undoing;
  }
  // A loop says what it does only where it knows better than the phase that is always said.
  const vague = isGroup(record) || (isTask(record) && record.phase === 'writing');
  if (record.status === 'running' && vague) return messages.group.running;
  return record.status === 'running'
    ? messages.phase[record.phase]
    : messages.status[record.status];
}

function percentOf(record: JobRecord, floor: number): number | null {
  // A loop that was left before its end says how far it came.
  if (isTask(record) && record.progress !== null) return record.progress;
  if (record.status === 'done') return 100;
  return record.progress === null ? null : Math.max(record.progress, floor);
}

function noteFor({ unknown }: Situation, record: JobRecord, messages: Messages) {
  if (unknown && record.status === 'done') {
    // Of what has no file here nothing is lost.
    return makesFile(record)
      ? { message: messages.failure.unknownJob, hint: messages.runForFile }
      : null;
  }
  if (record.error === null || !isTerminal(record.status)) return null;
  // Those that did not succeed say themselves why.
  if (record.error.code === 'parts-failed') return null;
  const { message, hint } = errorText(messages, record.error);
  // Nothing of a loop is kept that another run would go on from.
  return { message, hint: isTask(record) && record.status === 'interrupted' ? '' : hint };
}
