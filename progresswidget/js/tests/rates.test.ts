import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curve, MOST_POINTS, RateTrail } from '../src/view/rates';

const heard = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0 })), {
  maxLength: 300,
});

function trailOf(steps: readonly (readonly [number, number])[]): RateTrail {
  const trail = new RateTrail();
  let at = 1_712_000_000_000;
  for (const [wait, rate] of steps) {
    at += wait;
    trail.add(at, rate);
  }
  return trail;
}

describe('the curve of a rate', () => {
  it('is bounded, in order, and holds nothing that was not heard', () => {
    fc.assert(
      fc.property(heard, (steps) => {
        const { points } = trailOf(steps);
        const rates = steps.map(([, rate]) => rate);
        expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
        expect(points.length > 0).toBe(steps.length > 0);
        points.forEach(({ at, rate }, n) => {
          if (n > 0) expect(at).toBeGreaterThan(points[n - 1]?.at ?? 0);
          expect(rate).toBeGreaterThanOrEqual(Math.min(...rates));
          expect(rate).toBeLessThanOrEqual(Math.max(...rates));
        });
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  it('is the same after a reload, and nothing foreign is taken for one', () => {
    fc.assert(
      fc.property(heard, (steps) => {
        const trail = trailOf(steps);
        const again = new RateTrail(JSON.parse(JSON.stringify(trail)));
        expect(again.points).toEqual(trail.points);
      }),
      { seed: 6, numRuns: 50 },
    );
    for (const foreign of [
      null,
      7,
      'x',
      {},
      { step: 500 },
      { step: 1, points: [] },
      { step: 500, points: [[1, 2, 3]] },
      { step: 500, points: [['a', 1]] },
      { step: 500, points: Array(MOST_POINTS + 1).fill([1, 1]) },
    ]) {
      expect(new RateTrail(foreign).points).toEqual([]);
    }
  });

  it('has a hole where nothing was heard, and no guess', () => {
    const trail = trailOf([
      [0, 5],
      [1000, 6],
      [60_000, 4],
      [1000, 5],
    ]);
    expect(trail.pieces.map((piece) => piece.length)).toEqual([2, 2]);
    expect(curve(trail, 62, 10)).toBe('M0.0 1.7L1.0 0.0M61.0 3.3L62.0 1.7');
  });

  it('is nothing before there are two moments', () => {
    expect(curve(new RateTrail(), 10, 10)).toBe('');
    expect(curve(trailOf([[0, 5]]), 10, 10)).toBe('');
  });
});
