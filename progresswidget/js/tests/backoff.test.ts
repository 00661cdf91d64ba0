import { describe, expect, it } from 'vitest';
import { Backoff } from '../src/backoff';

function round(backoff: Backoff): (number | null)[] {
  return Array.from({ length: backoff.tries + 1 }, () => backoff.next());
}

describe('the waits of a round', () => {
  it('have ceilings that double from 500 ms, and the round ends after five', () => {
    const nearlyOne = 1 - 2 ** -53;
    expect(
      round(new Backoff({ random: () => nearlyOne })).map((ms) => ms && Math.round(ms)),
    ).toEqual([500, 1000, 2000, 4000, 8000, null]);
  });

  it('are never so short that five tries are over within 5 s', () => {
    const waits = round(new Backoff({ random: () => 0 })).map((wait) => wait ?? 0);
    expect(waits.reduce((sum, wait) => sum + wait)).toBeGreaterThan(5_000);
    expect(waits[0]).toBeCloseTo(500 / 3);
  });

  it('never exceed the cap', () => {
    const backoff = new Backoff({ tries: 60, random: () => 0.999 });
    const waits = round(backoff).filter((wait) => wait !== null);
    expect(waits).toHaveLength(60);
    expect(Math.max(...waits)).toBeLessThan(20_000);
    expect(Math.max(...waits)).toBeGreaterThan(19_900);
  });

  it('begin anew after a reset', () => {
    const backoff = new Backoff({ random: () => 0.5 });
    round(backoff);
    expect(backoff.attempt).toBe(5);
    backoff.reset();
    expect(backoff.attempt).toBe(0);
    expect(backoff.next()).toBeCloseTo(1000 / 3);
    expect(backoff.attempt).toBe(1);
  });
});
