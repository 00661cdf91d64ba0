/** What a bar shows for a record and a connection: pure values, no DOM. */

import type { Connection } from '../channel/connection';
import { errorText, type Messages } from '../i18n';
import { isTerminal, type JobRecord, type Phase, type Status } from '../protocol';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatEta,
  formatPercent,
  shortDigest,
} from './format';
import type { ButtonName, StateIcon } from './icons';
import { STEP } from './step_records';

/** The colour and the motion of the bar. */
export type Stage =
  | 'connecting'
  | 'queued'
  | 'working'
  | 'finishing'
  | Exclude<Status, 'running' | 'queued'>;

export type PartName =
  | 'percent'
  | 'rows'
  | 'reused'
  | 'bytes'
  | 'rate'
  | 'elapsed'
  | 'time'
  | 'postfix'
  | 'digest';

export interface Part {
  readonly text: string;
  /** What a pointer reveals. */
  readonly title?: string;
}

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
  const stale = !ended && !isFresh(connection) && connection.kind !== 'comm';
  const parts = partsOf(record, percent, situation.ahead ?? 0, messages);
  let words = situation.cancelling ? messages.cancelling : wordsFor(record, messages);
  const left = isTask(record) && record.status === 'done' && record.rows < (record.total ?? 0);
  if (left) {
    words = messages.leftAt(parts.get('rows')?.text as string);
    parts.delete('rows'); // the words say them
  }
  if (stale) {
    // A rate and a time left that are old would be lies.
    parts.delete('rate');
    parts.delete('elapsed');
    parts.delete('time');
  }
  return {
    state: record.status,
    stage: stageOf(record),
    icon: left ? 'cancelled' : record.status,
    words,
    percent,
    moving: record.status === 'running',
    ring: percent === null && isAtWork(record) && stageOf(record) !== 'connecting',
    valueText: [words, parts.get('percent')?.text, parts.get('rows')?.text]
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
  if (record.status !== 'running') return record.status;
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

function partsOf(
  record: JobRecord,
  percent: number | null,
  ahead: number,
  messages: Messages,
): Map<PartName, Part> {
  const { locale } = messages;
  const { status, rows } = record;
  const parts = new Map<PartName, Part>();
  if (percent !== null && status !== 'done') {
    parts.set('percent', { text: formatPercent(percent, locale) });
  }
  // Before the first unit is finished nothing is known to be written; an empty table is done with 0.
  if (status === 'done' || (status !== 'queued' && (rows > 0 || isGroup(record)))) {
    for (const [name, part] of amountOf(record, messages)) parts.set(name, part);
  }
  const rate = status === 'running' ? (record.rate ?? 0) : 0;
  if (rate > (isTask(record) ? 0 : 0.5)) {
    parts.set('rate', { text: paceOf(record, rate, messages) });
  }
  if (status !== 'queued') {
    const elapsed = record.elapsed + (status === 'running' ? ahead : 0);
    parts.set('elapsed', { text: formatDuration(elapsed, locale) });
  }
  // A guess that time has proved wrong is not repeated.
  if (status === 'running' && record.eta !== null && record.eta >= ahead) {
    parts.set('time', { text: messages.left(formatEta(record.eta - ahead, locale)) });
  }
  if (record.postfix) parts.set('postfix', { text: record.postfix });
  if (status === 'done' && record.sha256 !== null) {
    const text = `sha-256 ${shortDigest(record.sha256)}…`;
    parts.set('digest', { text, title: record.sha256 });
  }
  return parts;
}

function isTransfer(record: JobRecord): boolean {
  return record.kind === 'download' || record.kind === 'upload';
}

function isGroup(record: JobRecord): boolean {
  return record.kind === 'group';
}

/** Whatever a loop of somebody's counts; it makes no file. */
function isTask(record: JobRecord): boolean {
  return record.kind === 'task';
}

/** What was sent is where it was, a group is its parts, and a loop makes no file. */
function hasFile({ kind, url }: JobRecord): boolean {
  return (kind === 'export' || kind === 'download') && url !== null;
}

/** How much is done, and of how much where that is known and not the same. */
function amountOf(record: JobRecord, messages: Messages): Map<PartName, Part> {
  const { locale, group } = messages;
  const { status, rows, total, reused, bytes, unit } = record;
  const sized = isTransfer(record) || unit === BYTES;
  const format = (value: number) => (sized ? formatBytes : formatCount)(value, locale);
  const exactly = (value: number) => `${formatCount(value, locale)} B`;
  const count = format(rows);
  // A report that is done holds the first rows only.
  const of = total !== null && (rows < total || !(status === 'done' || isGroup(record)));
  const whole = of ? format(total) : '';
  const plain = of ? messages.sizeOf(count, whole) : count;
  const parts = new Map<PartName, Part>();
  if (sized) parts.set('rows', { text: plain, title: exactly(rows) });
  else if (isTask(record)) parts.set('rows', { text: withUnit(plain, unit === 'it' ? '' : unit) });
  else if (isGroup(record)) {
    parts.set('rows', { text: of ? group.filesOf(count, whole) : group.files(count) });
  } else parts.set('rows', { text: of ? messages.rowsOf(count, whole) : messages.rows(count) });
  if (reused > 0) {
    const kept = format(reused);
    parts.set('reused', { text: sized ? messages.reusedSize(kept) : messages.reused(kept) });
  }
  if (record.kind === 'export' || (isGroup(record) && bytes > 0)) {
    parts.set('bytes', { text: formatBytes(bytes, locale), title: exactly(bytes) });
  }
  return parts;
}

/** The unit of a loop over bytes. */
const BYTES = 'B';

function withUnit(text: string, unit: string): string {
  return unit ? `${text}\u00a0${unit}` : text;
}

/** How fast it goes: steps of a loop a second, or seconds a step where a step takes longer. */
function paceOf(record: JobRecord, rate: number, messages: Messages): string {
  const { locale, speed } = messages;
  const { kind, unit } = record;
  if (kind === 'export') return messages.rate(formatCount(rate, locale));
  if (!isTask(record) || unit === BYTES) return speed(formatBytes(rate, locale));
  if (rate < 1 && unit) return `${formatDuration(1 / rate, locale)}/${unit}`;
  return speed(withUnit(formatAmount(rate, locale), unit));
}

function buttonsFor(situation: Situation, record: JobRecord): ReadonlySet<ButtonName> {
  const { connection, canDownload } = situation;
  const buttons = new Set<ButtonName>();
  if (record.status === 'done') {
    if (canDownload && !situation.unknown && hasFile(record)) {
      buttons.add('download');
      if (situation.canSave) buttons.add('save');
      if (situation.canLink) buttons.add('link');
    }
    const fileless = isTask(record) || isGroup(record);
    if (situation.canReveal && record.contents !== null && !fileless) buttons.add('reveal');
    return buttons;
  }
  if (isTerminal(record.status)) {
    // A loop begins anew.
    const goesOn = record.status === 'interrupted' && !isTask(record);
    if (situation.canRerun) buttons.add(goesOn ? 'continue' : 'retry');
    return buttons;
  }
  if (situation.cancelling) return new Set(['undo']);
  if (connection.kind === 'offline') return offlineButtons(connection);
  if (connection.kind === 'saved' || isDeaf(connection, record) || !record.obeys) {
    return buttons;
  }
  if (canFollow(situation, record)) buttons.add('follow');
  if (record.status === 'running') buttons.add('pause');
  if (record.status === 'paused') buttons.add('resume');
  buttons.add('cancel');
  return buttons;
}

/** What is written stays as it is, so the browser can begin to fetch it. */
function canFollow({ connection, canDownload }: Situation, record: JobRecord): boolean {
  const begun = record.status === 'running' || record.status === 'paused';
  return begun && record.appendOnly && hasFile(record) && canDownload && isFresh(connection);
}

function offlineButtons(connection: Connection): ReadonlySet<ButtonName> {
  return new Set(connection.kind === 'offline' ? (['reconnect'] as const) : []);
}

/** Over the comm a kernel hears nothing while a cell blocks it. */
function isDeaf(connection: Connection, record: JobRecord): boolean {
  return connection.kind === 'comm' && !record.background;
}

/** What the server says comes at once. */
function isFresh({ kind }: Connection): boolean {
  return kind === 'live' || kind === 'polling';
}

/** How the page hears of a job, in words. */
export function linkText(
  connection: Connection,
  record: JobRecord | null,
  messages: Messages,
): string {
  switch (connection.kind) {
    case 'comm':
      return record && isDeaf(connection, record) ? messages.stopByHand : messages.live;
    case 'saved':
      return messages.saved;
    case 'polling':
      return messages.polling;
    case 'reconnecting':
      return reconnectingText(connection, messages);
    case 'offline':
      return messages.offline[connection.reason];
    case 'connecting':
      return messages.connecting;
    default:
      return messages.live;
  }
}

function reconnectingText(
  { attempt, of, cause }: Extract<Connection, { kind: 'reconnecting' }>,
  messages: Messages,
): string {
  return messages.reconnecting(attempt, of, cause && messages.loss[cause]);
}

function noteFor({ unknown }: Situation, record: JobRecord, messages: Messages) {
  if (unknown && record.status === 'done') {
    return { message: messages.failure.unknownJob, hint: '' };
  }
  if (record.error === null || !isTerminal(record.status)) return null;
  // Those that did not succeed say themselves why.
  if (record.error.code === 'parts-failed') return null;
  const { message, hint } = errorText(messages, record.error);
  // Nothing of a loop is kept that another run would go on from.
  return { message, hint: isTask(record) && record.status === 'interrupted' ? '' : hint };
}
