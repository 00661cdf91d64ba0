/** The numbers of a bar, in words: how much is done, how fast, and for how long. */

import type { Messages } from '../i18n';
import type { JobRecord } from '../protocol';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatEta,
  formatPercent,
  shortDigest,
} from './format';
import { isGroup, isTask, isTransfer } from './kinds';

export type PartName =
  | 'words'
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

/**
 * Say what is known of a job.
 *
 * @param percent What the bar shows; null where the total is unknown.
 * @param ahead Whole seconds since the record was true.
 */
export function partsOf(
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
  // Of a loop it is known that nothing is done.
  if (
    status === 'done' ||
    (status !== 'queued' &&
      (rows > 0 || isGroup(record) || (isTask(record) && record.total !== null)))
  ) {
    for (const [name, part] of amountOf(record, messages)) parts.set(name, part);
  } else if (record.kind === 'export' && record.read > 0) {
    // Of a slow source rows are written many at a time, and it is not to seem to stand still.
    parts.set('rows', { text: messages.rowsRead(formatCount(record.read, locale)) });
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
  else if (isTask(record)) {
    // What nobody has named needs no name beside its whole, and does alone.
    const named = unit === 'it' ? (of ? plain : messages.iterations(count)) : withUnit(plain, unit);
    parts.set('rows', { text: named });
  } else if (isGroup(record)) {
    const some = unit === LOOP ? group.loops : group.files;
    parts.set('rows', { text: some(plain, whole || count) });
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
/** What a group counts that makes no files. */
const LOOP = 'loop';

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
