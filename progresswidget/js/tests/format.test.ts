import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatEta,
  formatMoment,
  formatPercent,
  formatSpan,
  inOneLine,
  shortDigest,
} from '../src/view/format';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

it('groups the digits of counts as the locale does', () => {
  expect(formatCount(336_776, 'en')).toBe('336,776');
  expect(formatCount(612_340.6, 'zh')).toBe('612,341');
  expect(formatCount(336_776, 'de')).toBe('336.776');
});

it.each([
  [0, '0%'],
  [42.4, '42%'],
  [99.99, '99%'],
  [100, '100%'],
])('cuts percents and never rounds them up: %d', (value, text) => {
  expect(formatPercent(value, 'en')).toBe(text);
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
  [138_412_032, '138.4 MB'],
  [Number.MAX_SAFE_INTEGER, '9.0 PB'],
  [5e18, '5,000.0 PB'],
])('writes bytes in decimal units: %d', (value, text) => {
  expect(plain(formatBytes(value, 'en'))).toBe(text);
});

it.each([
  [0, '0.0 s'],
  [0.004, '< 0.1 s'],
  [0.42, '0.4 s'],
  [9.94, '9.9 s'],
  [9.95, '10 s'],
  [59.4, '59 s'],
  [59.6, '1:00'],
  [185, '3:05'],
  [3599.6, '1:00:00'],
  [3765, '1:02:45'],
  [360_000, '100:00:00'],
])('writes times as a clock does: %d', (seconds, text) => {
  expect(plain(formatDuration(seconds, 'en'))).toBe(text);
});

describe('what is left', () => {
  it.each([
    [0, '1 s'],
    [0.2, '1 s'],
    [3.2, '4 s'],
    [19.5, '20 s'],
    [21, '25 s'],
    [61, '1:05'],
  ])('goes in steps that a person can believe: %d', (seconds, text) => {
    expect(plain(formatEta(seconds, 'en'))).toBe(text);
  });

  it('never grows while the truth shrinks', () => {
    const clock = (text: string) =>
      text.endsWith('s')
        ? Number(plain(text).replace(' s', ''))
        : text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    let last = Number.POSITIVE_INFINITY;
    for (let seconds = 4000; seconds >= 0; seconds -= 0.7) {
      const shown = clock(formatEta(seconds, 'en'));
      expect(shown).toBeLessThanOrEqual(last);
      last = shown;
    }
  });
});

it('shortens a digest to what the eye compares', () => {
  expect(shortDigest('9f86d081884c7d659a2f')).toBe('9f86d081884c');
});

describe('facts in one line', () => {
  const said = (...facts: string[]) => inOneLine(facts).replaceAll('\u00a0', '_');

  it.each([
    [['336,776 of 3,367,760 rows', '4\u00a0s left'], '336,776_of_3,367,760_rows ·_4_s_left'],
    [['1,428,000 / 3,367,760 行', '剩余 4秒'], '1,428,000_/_3,367,760_行 ·_剩余_4秒'],
    [['48.1\u00a0MB of 138.4\u00a0MB'], '48.1_MB of_138.4_MB'],
    [['20 of 50', '4\u00a0s left'], '20 of_50 ·_4_s_left'],
    [['In progress', '28%', '57 of 200'], 'In_progress ·_28% ·_57_of_200'],
    [['Saving', '3\u00a0MB of 5\u00a0MB'], 'Saving ·_3_MB of_5_MB'],

    [['Waiting for the server'], 'Waiting_for_the_server'],
    [['81,000 rows'], '81,000_rows'],
    [['Paused', '42%'], 'Paused ·_42%'],
  ])(
    'break before a fact, and behind a first number that says something alone: %j',
    (facts, line) => {
      expect(said(...facts)).toBe(line);
    },
  );
});

describe('a span and a moment', () => {
  it.each([
    [600, 'en', '10 minutes'],
    [3600, 'en', '1 hour'],
    [86_400, 'en', '1 day'],
    [604_800, 'en', '1 week'],
    [90, 'en', '1.5 minutes'],
    [3600, 'zh', '1小时'],
  ])('%d seconds in %s', (seconds, locale, text) => {
    expect(formatSpan(seconds, locale)).toBe(text);
  });

  it('are said as the person’s clock has them', () => {
    const noon = new Date(2026, 10, 26, 12, 5).getTime();
    expect(formatMoment(noon, 'en').replace(/\s/g, ' ')).toBe('Nov 26, 2026, 12:05 PM');
    expect(formatMoment(noon, 'zh')).toContain('12:05');
  });
});
