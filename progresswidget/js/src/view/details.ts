/** What is told of a job on demand: pure values, no DOM. */

import type { Messages } from '../i18n';
import { isTerminal, type JobRecord } from '../protocol';
import { formatBytes, formatCount, formatExactly, formatPercent } from './format';
import { wordsFor } from './presentation';
import { stepsOf } from './step_records';

export type DetailName =
  | 'path'
  | 'format'
  | 'columns'
  | 'options'
  | 'steps'
  | 'started'
  | 'ended'
  | 'kept'
  | 'run'
  | 'digest';

export interface Detail {
  readonly name: DetailName;
  readonly text: string;
  /** Names and values, where it is a list of them. */
  readonly list?: readonly (readonly [string, string])[];
}

/**
 * @param zone An IANA name; by default the person's own.
 */
export function detailsOf(record: JobRecord, messages: Messages, zone?: string): Detail[] {
  const { locale, details } = messages;
  const found: Detail[] = [];
  const add = (name: DetailName, text: string, list?: Detail['list']) => {
    if (text !== '' || list?.length) found.push(list ? { name, text, list } : { name, text });
  };
  add('path', record.path);
  add('format', [record.format.toUpperCase(), record.mediaType].filter(Boolean).join(' · '));
  const columns = pairs(record.schema);
  const more = record.columns - columns.length;
  add(
    'columns',
    columns.length > 0 && more > 0 ? details.more(formatCount(more, locale)) : '',
    columns,
  );
  add('options', '', pairs(record.options));
  const steps = stepsOf(record, messages);
  add(
    'steps',
    '',
    steps.map((step) => [step.title ?? '', wordsFor(step, messages)]),
  );
  if (record.started !== null) add('started', formatExactly(record.started, locale, zone));
  if (record.ended !== null) add('ended', formatExactly(record.ended, locale, zone));
  add('kept', kept(record, messages));
  if (record.generation > 1) add('run', details.runOf(formatCount(record.generation, locale)));
  if (record.sha256 !== null) add('digest', record.sha256);
  return found;
}

/** What the journal saved: rows or bytes that did not have to be made again. */
function kept(record: JobRecord, { locale, details }: Messages): string {
  const { kind, status, reused, rows } = record;
  if (rows === 0 || kind === 'group' || kind === 'task') return '';
  const amount = kind === 'export' ? formatCount : formatBytes;
  // A share would be another at each report: who reads or selects would lose the place.
  if (!isTerminal(status)) return reused > 0 ? amount(reused, locale) : '';
  if (reused === 0) return details.nothingKept;
  const share = formatPercent(Math.min(100, (100 * reused) / rows), locale);
  return details.keptOf(amount(reused, locale), amount(rows, locale), share);
}

/** Lines of a name, a tab and a value. */
function pairs(text: string): [string, string][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...value] = line.split('\t');
      return [name, value.join(' ')];
    });
}
