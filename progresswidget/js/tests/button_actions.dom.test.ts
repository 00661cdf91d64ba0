import { expect, it, vi } from 'vitest';
import { ActionFailure } from '../src/actions';
import { ENGLISH } from '../src/i18n';
import type { JobRecord } from '../src/protocol';
import { type ActedBar, ButtonActions, type Handlers } from '../src/view/button_actions';
import { DONE, record } from './records';

function actions(handlers: Partial<Handlers> = {}, moment = 0) {
  let known: JobRecord | null = record({ updated: 100 });
  const bar = {
    record: () => known,
    render: vi.fn(),
    answered: vi.fn<ActedBar['answered']>((answer) => {
      known = answer;
    }),
    toggleDetails: vi.fn(),
    showLink: vi.fn(),
    say: vi.fn(),
  };
  const all = { act: async () => null, download: null, reconnect: vi.fn(), ...handlers };
  return { bar, made: new ButtonActions({ handlers: all, messages: ENGLISH, moment }, bar) };
}

it('an answer that is older than what the bar knows changes nothing', async () => {
  const { bar, made } = actions({ act: async () => record({ updated: 90 }) });
  await made.press('pause');
  expect(bar.answered.mock.lastCall?.[0].updated).toBe(100);
  const later = actions({ act: async () => record({ updated: 110 }) });
  await later.made.press('pause');
  expect(later.bar.answered.mock.lastCall?.[0].updated).toBe(110);
});

it('what was asked for is underway until the job has obeyed, or refused', async () => {
  const { made } = actions();
  await made.press('pause');
  expect([...made.underway]).toEqual(['pause']);
  made.heard(record(), record({ status: 'paused' }));
  expect([...made.underway]).toEqual([]);
  const refused = actions({ act: async () => Promise.reject(new ActionFailure('unreachable')) });
  await refused.made.press('pause');
  expect([...refused.made.underway]).toEqual([]);
  expect(refused.made.failure).toBe(ENGLISH.failure.unreachable);
  refused.made.heard(record(), DONE);
  expect(refused.made.failure).toBeNull();
});

it('a cancel that can be taken back is asked for when the bar goes, and once', () => {
  const act = vi.fn<Handlers['act']>(async () => null);
  const { made } = actions({ act }, 60_000);
  void made.press('cancel');
  expect(made.isCancelling).toBe(true);
  expect(act).not.toHaveBeenCalled();
  made.dispose();
  made.dispose();
  expect(act.mock.calls.map(([action]) => action)).toEqual(['cancel']);
});

it('a cancel is taken back by its undo, and where somebody else has asked for one', () => {
  const act = vi.fn<Handlers['act']>(async () => null);
  const { made } = actions({ act }, 60_000);
  void made.press('cancel');
  void made.press('undo');
  expect(made.isCancelling).toBe(false);
  void made.press('cancel');
  made.heard(record(), record({ pending: 'cancel' }));
  expect(made.isCancelling).toBe(false);
  made.dispose();
  expect(act).not.toHaveBeenCalled();
});

it('nothing is said of what fails after the bar has gone', async () => {
  let reject = (_: unknown) => {};
  const answer = new Promise<never>((_, fail) => {
    reject = fail;
  });
  const { bar, made } = actions({ act: () => answer });
  const pressed = made.press('pause');
  made.dispose();
  bar.render.mockClear();
  reject(new ActionFailure('unreachable'));
  await pressed;
  expect(made.failure).toBeNull();
  expect(bar.render).not.toHaveBeenCalled();
});
