import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Offsets, steady, step, survivor } from '../src/view/offsets';

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);

function offsets(heights: readonly number[], estimate = 20): Offsets {
  const made = new Offsets(estimate);
  made.arrange(keysOf(heights.length));
  heights.forEach((height, index) => {
    made.measure(`k${index}`, height);
  });
  return made;
}

const heights = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 });
const px = fc.integer({ min: -500, max: 15_000 });

describe('the rows in view', () => {
  it('are all that can be seen, and few more', () => {
    fc.assert(
      fc.property(heights, px, fc.integer({ min: 1, max: 900 }), (list, scroll, viewport) => {
        const made = offsets(list);
        const { first, end } = made.window(scroll, viewport, 2);
        const top = Math.max(0, Math.min(scroll, made.total - viewport));
        const seen = list
          .map((_, index) => index)
          .filter((index) => made.top(index + 1) > top && made.top(index) < top + viewport);
        for (const index of seen) {
          expect(index).toBeGreaterThanOrEqual(first);
          expect(index).toBeLessThan(end);
        }
        expect(end - first).toBeLessThanOrEqual(seen.length + 4);
      }),
    );
  });

  it('are none without room or rows', () => {
    expect(offsets([20, 20]).window(0, 0, 3)).toEqual({ first: 0, end: 0 });
    expect(new Offsets(20).window(0, 100, 3)).toEqual({ first: 0, end: 0 });
  });

  it('are found where the sums say, by halving', () => {
    fc.assert(
      fc.property(heights, px, (list, y) => {
        let top = 0;
        const slow = list.findIndex((height) => {
          top += height;
          return y < top;
        });
        expect(offsets(list).indexAt(y)).toBe(slow < 0 ? list.length - 1 : slow);
      }),
    );
  });

  it('stay few with a hundred thousand', () => {
    const made = new Offsets(30);
    made.arrange(keysOf(100_000));
    expect(made.total).toBe(3_000_000);
    expect(made.window(1_500_000, 300, 4)).toEqual({ first: 49_996, end: 50_014 });
  });
});

describe('heights', () => {
  it('are guessed, measured, and kept through another order', () => {
    const made = offsets([50, 20, 20]);
    expect(made.total).toBe(90);
    expect(made.measure('k0', 50)).toBe(false);
    expect(made.measure('k1', 30)).toBe(true);
    expect(made.measure('gone', 30)).toBe(false);
    expect(made.measure('k2', 0)).toBe(false);
    made.arrange(['k1', 'new', 'k0']);
    expect([0, 1, 2, 3].map((index) => made.top(index))).toEqual([0, 30, 50, 100]);
    made.arrange(['k2']);
    made.arrange(['k0']);
    expect(made.total).toBe(20);
  });
});

describe('the place of a person', () => {
  it('is held whatever comes, goes and grows above it', () => {
    const change = fc.record({
      list: heights,
      scroll: fc.integer({ min: 0, max: 3_000 }),
      gone: fc.array(fc.nat(59)),
      added: fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 9 }),
      at: fc.nat(60),
    });
    fc.assert(
      fc.property(change, ({ list, scroll, gone, added, at }) => {
        const made = offsets(list);
        const top = Math.min(scroll, made.total - 1);
        const anchor = made.anchor(top);
        if (!anchor) throw new Error('a list with rows has an anchor');
        const keys = made.keys.filter((key, index) => key === anchor.key || !gone.includes(index));
        keys.splice(at, 0, ...added.map((_, index) => `new${index}`));
        made.arrange(keys);
        added.forEach((height, index) => {
          made.measure(`new${index}`, height);
        });
        const restored = made.restore(anchor);
        expect(restored).not.toBeNull();
        expect(made.top(made.indexOf(anchor.key)) - (restored ?? 0)).toBe(anchor.shift);
      }),
    );
  });

  it('passes to a neighbour when its row goes', () => {
    const order = (keys: string[]) => ({ indexOf: (key: string) => keys.indexOf(key) });
    const before = ['a', 'b', 'c', 'd'];
    expect(survivor('b', before, order(['a', 'b']))).toBe('b');
    expect(survivor('b', before, order(['a', 'd']))).toBe('d');
    expect(survivor('c', before, order(['a', 'b']))).toBe('b');
    expect(survivor('c', before, order(['z']))).toBeNull();
    expect(survivor('z', before, order(['a']))).toBeNull();
  });

  it('is that of the rows which stay together', () => {
    const made = new Offsets(10);
    made.arrange([...'vwabcxyz']);
    const held = (keys: string) => steady(made, 25, 25, [...keys]);
    expect(held('xyzvwabc')).toEqual({ key: 'a', shift: -5 });
    expect(held('vwbcxyza')).toEqual({ key: 'b', shift: 5 });
    expect(held('vwcxyzab')).toEqual({ key: 'a', shift: -5 });
    // The first is gone, or all are scattered.
    expect(held('vwbcxyz')).toBeNull();
    expect(held('avwxybz12c')).toBeNull();
  });
});

describe('the keyboard', () => {
  const made = offsets(Array.from({ length: 50 }, () => 20));

  it.each([
    ['ArrowDown', 0, 1],
    ['ArrowDown', 49, 49],
    ['ArrowUp', 0, 0],
    ['ArrowUp', 9, 8],
    ['Home', 30, 0],
    ['End', 3, 49],
    ['PageDown', 0, 5],
    ['PageDown', 48, 49],
    ['PageUp', 20, 15],
    ['PageUp', 2, 0],
  ])('%s leads from row %i to %i', (key, from, to) => {
    expect(step(key, from, made, 100)).toBe(to);
  });

  it('goes on by a page of rows that are higher than the view', () => {
    expect(step('PageDown', 3, made, 5)).toBe(4);
    expect(step('PageUp', 3, made, 5)).toBe(2);
  });

  it('leaves other keys and an empty list alone', () => {
    expect(step('a', 3, made, 100)).toBeNull();
    expect(step('ArrowDown', -1, new Offsets(20), 100)).toBeNull();
  });
});
