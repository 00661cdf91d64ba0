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

  it('are drawn from the whole interval from 0', () => {
    const waits = (random: number) => round(new Backoff({ random: () => random }));
    expect(waits(0)).toEqual([0, 0, 0, 0, 0, null]);
    expect(waits(0.25)).toEqual([125, 250, 500, 1000, 2000, null]);
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
    expect(backoff.next()).toBeCloseTo(250);
    expect(backoff.attempt).toBe(1);
  });
});
