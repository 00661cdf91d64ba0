/** What a bar shows for a transfer: pure values, no DOM. */

import type { Messages } from '../i18n';
import { canResume, isMoving, type TransferState } from '../transfer';
import type { Part, PartName } from './amounts';
import { formatBytes, formatEta, formatPercent } from './format';
import type { StateIcon, TransferButton } from './icons';

export type Direction = 'save' | 'upload';

export interface TransferPresentation {
  /** The colour and the motion. */
  readonly stage: 'working' | 'waiting' | 'paused' | 'failed' | 'done';
  readonly icon: StateIcon;
  readonly words: string;
  readonly percent: number | null;
  readonly valueText: string;
  readonly parts: ReadonlyMap<PartName, Part>;
  readonly note: string | null;
  readonly buttons: ReadonlySet<TransferButton>;
}

const ICONS = {
  working: 'running',
  waiting: 'queued',
  paused: 'paused',
  failed: 'failed',
  done: 'done',
} as const;

/**
 * @param rate Bytes a second, null while it is not known.
 * @param canBeginAgain Whether there is a way to do the whole once more.
 */
export function presentTransfer(
  state: TransferState,
  rate: number | null,
  canBeginAgain: boolean,
  messages: Messages,
): TransferPresentation {
  const stage = stageOf(state);
  const percent = percentOf(state);
  const words = wordsFor(state, messages);
  const parts = partsOf(state, words, percent, rate, messages);
  return {
    stage,
    icon: ICONS[stage],
    words,
    percent,
    valueText: [words, parts.get('percent')?.text].filter((text) => text !== undefined).join(', '),
    parts,
    note: noteFor(state, messages),
    buttons: buttonsFor(state, canBeginAgain),
  };
}

function stageOf({ status }: TransferState): TransferPresentation['stage'] {
  if (status === 'queued') return 'waiting';
  return status === 'starting' || status === 'checking' || status === 'running'
    ? 'working'
    : status;
}

function wordsFor(state: TransferState, messages: Messages): string {
  const { transfer } = messages;
  switch (state.status) {
    case 'waiting':
      return transfer.waiting(state.attempt, state.tries);
    case 'done':
      return state.verified ? transfer.verified : transfer.done;
    case 'running':
      return transfer.running;
    case 'queued':
    case 'paused':
      return messages.status[state.status];
    default:
      return transfer[state.status];
  }
}

function percentOf({ status, offset, size }: TransferState): number | null {
  if (status === 'done') return 100;
  if (size === null) return null;
  return size === 0 ? 0 : Math.min(100, (offset / size) * 100);
}

function partsOf(
  state: TransferState,
  words: string,
  percent: number | null,
  rate: number | null,
  { locale, left, sizeOf, speed }: Messages,
): Map<PartName, Part> {
  const { status, offset, size } = state;
  const parts = new Map<PartName, Part>([['words', { text: words }]]);
  if (percent !== null && status !== 'done')
    parts.set('percent', { text: formatPercent(percent, locale) });
  if (size !== null || offset > 0) {
    const moved = formatBytes(status === 'done' ? (size ?? offset) : offset, locale);
    const whole = size === null || status === 'done' ? null : formatBytes(size, locale);
    parts.set('bytes', { text: whole === null ? moved : sizeOf(moved, whole) });
  }
  if (status === 'running' && rate !== null && rate >= 1) {
    parts.set('rate', { text: speed(formatBytes(rate, locale)) });
    if (size !== null) parts.set('time', { text: left(formatEta((size - offset) / rate, locale)) });
  }
  return parts;
}

function noteFor({ failure, detail }: TransferState, { transfer }: Messages): string | null {
  if (failure === null) return null;
  const text = transfer.failure[failure] ?? transfer.failure.refused;
  return failure === 'refused' && detail !== '' ? `${text} ${detail}` : text;
}

function buttonsFor(state: TransferState, canBeginAgain: boolean): ReadonlySet<TransferButton> {
  if (isMoving(state)) return new Set(['pause', 'cancel']);
  if (canResume(state)) return new Set(['resume', 'cancel']);
  if (state.status === 'failed' && canBeginAgain) return new Set(['again', 'dismiss']);
  return new Set(['dismiss']);
}
