import { beforeEach, describe, expect, it, vi } from 'vitest';
import { record } from './records';

const NOW = 1_712_000_000_000;
let Pace: typeof import('../src/view/pace').Pace;

// What was seen of the clocks is kept for as long as the page is.
beforeEach(async () => {
  vi.resetModules();
  ({ Pace } = await import('../src/view/pace'));
});

describe.each([0, 30_000, -30_000, 5_000_000])('a server whose clock is %i ms off', (off) => {
  const said = (at: number, elapsed: number) => record({ elapsed, updated: NOW + at + off });

  it('is no lag', () => {
    const pace = new Pace();
    expect(pace.ahead(said(0, 20), NOW + 40)).toBe(0);
    expect(pace.ahead(said(2_000, 22), NOW + 2_030)).toBe(0);
    expect(pace.ahead(said(2_000, 22), NOW + 5_030)).toBe(3);
  });

  it('has a lag where a word is older than others were, in any bar of the page', () => {
    const pace = new Pace();
    new Pace().ahead(said(0, 3), NOW + 40);
    expect(pace.ahead(said(-20_000, 20), NOW + 100)).toBe(20);
    // A sign of life without news does not begin the count again.
    expect(pace.ahead(said(1_000, 20), NOW + 1_040)).toBe(21);
    expect(pace.ahead(said(-90_000, 30), NOW + 1_100)).toBe(0);
  });
});

it('a late word that came first is known as late once another one was quicker', () => {
  const pace = new Pace();
  const late = record({ updated: NOW - 20_000 });
  expect(pace.ahead(late, NOW)).toBe(0);
  new Pace().ahead(record({ updated: NOW }), NOW);
  expect(pace.ahead(late, NOW + 1_000)).toBe(21);
});

it('a state of a kernel that no server has seen counts from when it came', () => {
  const pace = new Pace();
  const kept = record({ updated: 0 });
  expect(pace.ahead(kept, NOW)).toBe(0);
  expect(pace.ahead(kept, NOW + 4_000)).toBe(4);
});
