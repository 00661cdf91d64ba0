import { describe, expect, it } from 'vitest';
import { CHINESE, ENGLISH } from '../src/i18n';
import { LAB_CHINESE, LAB_ENGLISH, withUploads } from '../src/i18n/lab';
import {
  canResume,
  isMoving,
  Meter,
  NEW_TRANSFER,
  retryAfter,
  TRANSFER_FAILURES,
  type TransferState,
} from '../src/transfer';
import { presentTransfer } from '../src/view/transfer_presentation';

const state = (changes: Partial<TransferState>): TransferState => ({
  ...NEW_TRANSFER,
  status: 'running',
  offset: 250_000_000,
  size: 1_000_000_000,
  ...changes,
});
const show = (changes: Partial<TransferState>, rate: number | null = null, messages = ENGLISH) =>
  presentTransfer(state(changes), rate, true, messages);
const line = (changes: Partial<TransferState>, rate: number | null = null) =>
  [...show(changes, rate).parts.values()]
    .map(({ text }) => text)
    .join(' · ')
    .replaceAll('\u00a0', ' ');

describe('what a transfer shows', () => {
  it('while it runs: how far, how fast, how long', () => {
    expect(line({}, 50_000_000)).toBe('Saving · 25% · 250.0 MB of 1.0 GB · 50.0 MB/s · 15 s left');
    expect(show({}).words).toBe('Saving');
    expect([...show({}).buttons]).toEqual(['pause', 'cancel']);
  });

  it('of a size that is not known: what has arrived', () => {
    expect(line({ size: null })).toBe('Saving · 250.0 MB');
    expect(show({ size: null }).percent).toBeNull();
  });

  it('before another try: which', () => {
    const shown = show({ status: 'waiting', attempt: 2, tries: 5 });
    expect(shown.words).toBe('Trying again, 2 of 5');
    expect(shown.stage).toBe('waiting');
  });

  it('at the end: whether it was verified, in the language of the page', () => {
    expect(show({ status: 'done', verified: true }).words).toBe('Saved and verified');
    expect(show({ status: 'done', verified: false }).words).toBe('Saved');
    expect(show({ status: 'done', verified: true }, null, CHINESE).words).toContain('已校验');
    expect([...show({ status: 'done' }).buttons]).toEqual(['dismiss']);
    expect(line({ status: 'done' })).toBe('Saved · 1.0 GB');
  });

  it('100 % is never said before the end', () => {
    expect(line({ offset: 999_999_999 })).toContain('99%');
  });

  it('of an empty file is no division by nothing', () => {
    expect(show({ offset: 0, size: 0 }).percent).toBe(0);
  });

  it.each(TRANSFER_FAILURES)('of a failure are words: %s', (failure) => {
    for (const messages of [withUploads(ENGLISH, LAB_ENGLISH), withUploads(CHINESE, LAB_CHINESE)]) {
      const { note } = show({ status: 'failed', failure }, null, messages);
      expect(note).toBeTruthy();
      // Its own, and not what is said where a table has none.
      expect(note === messages.transfer.failure.refused).toBe(failure === 'refused');
      expect(/\p{Script=Han}/u.test(note ?? '')).toBe(messages.locale === 'zh');
    }
  });

  it('goes on after a loss, begins again after another file', () => {
    const buttons = (failure: TransferState['failure']) => [
      ...show({ status: 'failed', failure }).buttons,
    ];
    expect(buttons('diskFull')).toEqual(['resume', 'cancel']);
    expect(buttons('changed')).toEqual(['again', 'dismiss']);
  });
});

describe('a state', () => {
  it('moves, or waits for the person', () => {
    expect(isMoving(state({ status: 'waiting' }))).toBe(true);
    expect(isMoving(state({ status: 'paused' }))).toBe(false);
    expect(canResume(state({ status: 'paused' }))).toBe(true);
    expect(canResume(state({ status: 'failed', failure: 'unreachable' }))).toBe(true);
    expect(canResume(state({ status: 'failed', failure: 'gone' }))).toBe(false);
    expect(canResume(state({ status: 'done' }))).toBe(false);
  });
});

describe('the rate', () => {
  it('is that of the last seconds', () => {
    const meter = new Meter();
    expect(meter.note(0, 0)).toBeNull();
    expect(meter.note(400, 400)).toBeNull();
    expect(meter.note(1_000, 1_000)).toBe(1_000);
    for (let time = 2_000; time <= 10_000; time += 1_000) meter.note(time, 1_000 + time * 5);
    expect(meter.note(11_000, 56_000)).toBeCloseTo(5_000);
  });

  it('does not go below nothing where the whole begins again', () => {
    const meter = new Meter();
    meter.note(0, 5_000);
    meter.note(1_000, 6_000);
    expect(meter.note(2_000, 0)).toBeNull();
    expect(meter.note(3_000, 1_000)).toBe(1_000);
  });
});

it.each([
  ['3', 3_000],
  [' 3 ', 3_000],
  ['soon', null],
  ['-1', null],
  [null, null],
])('Retry-After: %s', (value, expected) => {
  expect(retryAfter(value)).toBe(expected);
});
