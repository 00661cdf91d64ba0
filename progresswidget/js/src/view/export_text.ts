/** What a compact row says of a job: pure values, no DOM. */

import type { Connection } from '../channel/connection';
import type { Messages } from '../i18n';
import { isTerminal, type JobRecord } from '../protocol';
import { formatMoment } from './format';
import type { StateIcon } from './icons';
import { present, type Stage, wordsFor } from './presentation';
import { stepsOf } from './step_records';

export interface ExportText {
  readonly stage: Stage;
  readonly icon: StateIcon;
  readonly words: string;
  /** What is known of it beyond its state, the most important first. */
  readonly facts: readonly string[];
  /** All of it, for a pointer: the path, the times, what went wrong and what to do. */
  readonly title: string;
  /** Of a job that goes on: 0 to 100, or null where the total is unknown. */
  readonly percent: number | null;
  /** The same in words, for a screen reader. */
  readonly valueText: string;
  readonly moving: boolean;
  readonly active: boolean;
  readonly stale: boolean;
}

/** @param now Milliseconds since 1970. */
export function exportText(
  record: JobRecord,
  connection: Connection,
  messages: Messages,
  now: number,
): ExportText {
  const shown = present({ record, connection, floor: 0, canDownload: false }, messages);
  const active = !isTerminal(record.status);
  const part = (name: 'percent' | 'rows' | 'bytes' | 'time') => shown.parts.get(name)?.text;
  const ended = record.ended ?? record.updated;
  const when = active ? undefined : shortMoment(ended, now, messages.locale);
  const facts = active
    ? [part('percent'), part('time'), part('rows')]
    : record.status === 'done'
      ? [
          shown.stage === 'stopped' ? undefined : (part('bytes') ?? part('rows')),
          when,
          part('bytes') && part('rows'),
        ]
      : [shown.note?.message ?? when];
  const lines = [
    record.path,
    record.notebook,
    [shown.words, ...[...shown.parts.values()].map(({ text }) => text)].join(' · '),
    stepsOf(record, messages)
      .map((step) => `${step.title}: ${wordsFor(step, messages)}`)
      .join(' · '),
    active ? null : formatMoment(ended, messages.locale),
    shown.note && `${shown.note.message} ${shown.note.hint}`.trim(),
  ];
  return {
    stage: shown.stage,
    icon: shown.icon,
    words: shown.words,
    facts: facts.filter((fact) => fact !== undefined),
    title: lines.filter(Boolean).join('\n'),
    percent: active ? shown.percent : null,
    valueText: shown.valueText,
    moving: shown.moving,
    active,
    stale: shown.stale,
  };
}

/** The time of today, the day of any other. */
function shortMoment(moment: number, now: number, locale: string): string {
  const today = new Date(moment).toDateString() === new Date(now).toDateString();
  const format = today ? ({ timeStyle: 'short' } as const) : ({ dateStyle: 'medium' } as const);
  // One fact: nothing of it stands alone where there is little room.
  return formatMoment(moment, locale, format).replaceAll(' ', '\u00a0');
}
