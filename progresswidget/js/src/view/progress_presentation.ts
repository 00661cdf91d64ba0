/** What the bar of a loop shows for its traits: pure values, no DOM. */

import type { Messages } from '../i18n';
import { ACTIVE_STATUSES, isOneOf, isTerminal, type Status, TERMINAL_STATUSES } from '../protocol';
import type { ProgressTraits } from '../traits';
import type { Part, PartName } from './amounts';
import { formatAmount, formatDuration, formatEta, formatPercent } from './format';

export interface ProgressPresentation {
  readonly state: Status;
  /** 0 to 100, or null where the end is unknown. */
  readonly percent: number | null;
  readonly moving: boolean;
  readonly words: string;
  readonly parts: ReadonlyMap<PartName, Part>;
  readonly valueText: string;
}

/**
 * @param live Whether there is a kernel that would tell a change; where there is none, a rate and
 *   a time left would be lies.
 */
export function presentProgress(
  traits: ProgressTraits,
  live: boolean,
  messages: Messages,
): ProgressPresentation {
  const { locale } = messages;
  const known = isOneOf([...ACTIVE_STATUSES, ...TERMINAL_STATUSES], traits.state);
  const given: Status = known ? (traits.state as Status) : 'running';
  const percent = percentOf(traits);
  // A link in the page may bring the value to its end where no kernel says what that means.
  const state = given === 'running' && percent === 100 ? 'done' : given;
  const parts = new Map<PartName, Part>();
  if (percent !== null) parts.set('percent', { text: formatPercent(percent, locale) });
  const count = formatAmount(traits.value, locale);
  const amount =
    traits.max === null ? count : messages.sizeOf(count, formatAmount(traits.max, locale));
  parts.set('rows', { text: amount });
  const running = state === 'running' && live;
  if (running && traits.rate !== null && traits.rate > 0) {
    parts.set('rate', { text: messages.speed(formatAmount(traits.rate, locale)) });
  }
  if (running && traits.eta !== null) {
    parts.set('time', { text: messages.left(formatEta(traits.eta, locale)) });
  } else if ((running || isTerminal(state)) && traits.elapsed > 0) {
    parts.set('time', { text: formatDuration(traits.elapsed, locale) });
  }
  const words = state === 'running' || state === 'done' ? '' : messages.status[state];
  return {
    state,
    percent,
    moving: running,
    words,
    parts,
    valueText: [words, parts.get('percent')?.text, amount].filter(Boolean).join(', '),
  };
}

function percentOf({ value, min, max }: ProgressTraits): number | null {
  if (max === null) return null;
  if (max <= min) return 100;
  return Math.min(100, Math.max(0, (100 * (value - min)) / (max - min)));
}
