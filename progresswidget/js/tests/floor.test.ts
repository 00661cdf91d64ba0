import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ENGLISH } from '../src/i18n';
import { ACTIVE_STATUSES, type JobRecord, PHASES } from '../src/protocol';
import { Floor } from '../src/view/floor';
import { present } from '../src/view/presentation';
import { DONE, record } from './records';

const said = fc.record({
  generation: fc.integer({ min: 1, max: 3 }),
  progress: fc.option(fc.double({ min: 0, max: 99.9, noNaN: true })),
  status: fc.constantFrom(...ACTIVE_STATUSES),
  phase: fc.constantFrom(...PHASES),
});

function show(floor: Floor, state: JobRecord) {
  floor.raise(state);
  const connection = { kind: 'live' } as const;
  const situation = { record: state, connection, floor: floor.percent, canDownload: true };
  return present(situation, ENGLISH);
}

it('never runs backwards within a run, and never says more than was heard', () => {
  fc.assert(
    fc.property(fc.array(said, { maxLength: 40 }), (states) => {
      const floor = new Floor();
      let [run, highest] = [0, 0];
      const runs = states.toSorted((one, two) => one.generation - two.generation);
      for (const state of runs) {
        if (state.generation !== run) highest = 0;
        run = state.generation;
        highest = Math.max(highest, state.progress ?? 0);
        const { percent, parts, ring, stage } = show(floor, record(state));
        if (state.progress === null) {
          expect(percent).toBeNull();
          expect(parts.has('percent')).toBe(false);
        } else {
          expect(percent).toBe(highest);
          expect(ring).toBe(false);
          // A hundred is said when it is true, and not a moment earlier.
          expect(parts.get('percent')?.text).toBe(`${Math.floor(highest)}%`);
        }
        if (stage === 'connecting') expect(ring).toBe(false);
      }
    }),
    { seed: 6, numRuns: 300 },
  );
});

it('is full at the end, and only there', () => {
  expect(show(new Floor(), DONE).percent).toBe(100);
});

it.each([
  [94.9, 'working'],
  [95, 'finishing'],
  [99.9, 'finishing'],
] as const)('is about to be full from 95%% on: %d', (progress, stage) => {
  expect(show(new Floor(), record({ progress })).stage).toBe(stage);
});

it('is a ring where nobody knows how much there is, but not before the work begins', () => {
  const unknown = { progress: null, total: null } as const;
  const ring = (changes: Partial<JobRecord>) =>
    show(new Floor(), record({ ...unknown, ...changes })).ring;
  expect(ring({})).toBe(true);
  expect(ring({ status: 'paused' })).toBe(true);
  expect(ring({ phase: 'starting' })).toBe(false);
  expect(ring({ status: 'queued' })).toBe(false);
  expect(ring({ status: 'failed' })).toBe(false);
});
