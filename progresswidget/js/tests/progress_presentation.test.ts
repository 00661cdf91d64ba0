import { describe, expect, it } from 'vitest';
import { CHINESE, ENGLISH } from '../src/i18n';
import { progressTraits } from '../src/traits';
import { presentProgress } from '../src/view/progress_presentation';

const read = (given: Record<string, unknown>) => progressTraits((name) => given[name]);
const traits = (given: Record<string, unknown> = {}) =>
  read({ value: 30, min: 0, max: 120, state: 'running', ...given });
const line = (given: Record<string, unknown>, live = true, messages = ENGLISH) => {
  const { parts, words } = presentProgress(traits(given), live, messages);
  return [words, ...[...parts.values()].map(({ text }) => text)].filter(Boolean).join(' · ');
};

it.each([
  [{}, '25% · 30 of 120'],
  [{ min: 20, max: 40 }, '50% · 30 of 40'],
  [{ rate: 0.512, eta: 176 }, '25% · 30 of 120 · 0.512/s · 3:00 left'],
  [{ rate: 0, elapsed: 4 }, '25% · 30 of 120 · 4.0\u00a0s'],
  [{ max: null, rate: 12_345.6, elapsed: 61 }, '30 · 12,346/s · 1:01'],
  [{ state: 'paused', rate: 2, eta: 9 }, 'Paused · 25% · 30 of 120'],
  [{ state: 'failed', elapsed: 61 }, 'Failed · 25% · 30 of 120 · 1:01'],
  [{ value: 120, elapsed: 61, rate: 2 }, '100% · 120 of 120 · 1:01'],
  [{ value: 119.999 }, '99% · 120 of 120'],
  [{ value: 500 }, '100% · 500 of 120'],
  [{ value: -5 }, '0% · -5 of 120'],
  [{ min: 5, max: 5 }, '100% · 30 of 5'],
])('%j is told as %j', (given, told) => {
  expect(line(given)).toBe(told);
});

it('tells no rate and no time left without a kernel', () => {
  expect(line({ rate: 2, eta: 9, elapsed: 3 }, false)).toBe('25% · 30 of 120');
});

it('speaks Chinese', () => {
  expect(line({ rate: 2, eta: 25 }, true, CHINESE)).toBe('25% · 30 / 120 · 2/秒 · 剩余 25秒');
});

describe('the state', () => {
  const state = (given: Record<string, unknown>) =>
    presentProgress(traits(given), true, ENGLISH).state;

  it('is done at the end, though only a link in the page has brought it there', () => {
    expect(state({ value: 120 })).toBe('done');
    expect(state({ value: 120, state: 'failed' })).toBe('failed');
  });

  it('of a newer kernel is one that this version knows', () => {
    expect(state({ state: 'levitating' })).toBe('running');
  });
});

it('takes nothing for a number that is none', () => {
  const odd = { value: 'x', min: null, max: Number.NaN, rate: 'fast', elapsed: undefined };
  expect(read(odd)).toMatchObject({
    ...{ value: 0, min: 0, max: null, rate: null, elapsed: 0, description: '' },
  });
});
