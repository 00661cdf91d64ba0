/** What a person can do with one bar beside pause and resume, and how it moves. */

import outputs from '@jupyterlab/outputarea/style/base.css?inline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { ActionFailure } from '../src/actions';
import type { Connection } from '../src/channel/connection';
import { messagesFor } from '../src/i18n';
import type { Action, JobRecord } from '../src/protocol';
import type { Handlers } from '../src/view/button_actions';
import { JobView } from '../src/view/job_view';
import { dropAll, keepAll } from '../src/view/rates';
import { adoptStyle } from '../src/view/stylesheet';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record, TASK } from './records';

const LIVE: Connection = { kind: 'live' };
const views: JobView[] = [];

function show(handlers: Partial<Handlers> = {}): JobView {
  const view = new JobView({
    taskId: TASK,
    name: 'flights.csv',
    messages: messagesFor('en'),
    handlers: { act: async () => null, download: async () => {}, reconnect: () => {}, ...handlers },
  });
  document.body.append(view.element);
  adoptStyle(view.element);
  views.push(view);
  return view;
}

afterEach(() => {
  vi.useRealTimers();
  for (const view of views.splice(0)) view.dispose();
  document.body.replaceChildren();
  sessionStorage.clear();
  dropAll();
});

const part = <T extends Element = HTMLElement>(view: JobView, selector: string): T => {
  const found = view.element.querySelector<T>(selector);
  if (!found) throw new Error(`${selector} is missing`);
  return found;
};
const button = (view: JobView, action: string) =>
  part<HTMLButtonElement>(view, `button[data-action=${action}]`);
const isShown = (view: JobView, action: string) =>
  view.element.querySelector(`button[data-action=${action}]`)?.checkVisibility() ?? false;

describe('a loop that is to leave nothing', () => {
  it('takes no room when it is done, be it shown only then, and is seen where it failed', () => {
    const loop = { kind: 'task', leave: false, bytes: 0 } as const;
    const [long, short, bad] = [show(), show(), show()];
    long.update(record(loop), LIVE);
    expect(long.element.getBoundingClientRect().height).toBeGreaterThan(0);
    for (const view of [long, short]) view.update({ ...DONE, ...loop }, LIVE);
    bad.update({ ...FAILED, ...loop }, LIVE);
    const heights = [long, short, bad].map((view) => view.element.getBoundingClientRect().height);
    expect(heights.map((height) => height > 0)).toEqual([false, false, true]);
  });
});

describe('a cancel', () => {
  const asked: Action[] = [];
  const act = async (action: Action) => {
    asked.push(action);
    return null;
  };
  beforeEach(() => {
    asked.length = 0;
    vi.useFakeTimers();
  });

  it('leaves the page after a moment in which it can be taken back', () => {
    const view = show({ act });
    view.update(record(), LIVE);
    button(view, 'cancel').click();
    expect(part(view, '.pw-words').textContent).toBe('Cancelling in a moment');
    vi.advanceTimersByTime(3_900);
    expect(asked).toEqual([]);
    button(view, 'undo').click();
    vi.advanceTimersByTime(60_000);
    expect(asked).toEqual([]);
    expect(part(view, '.pw-words').textContent).toBe('Writing');
    button(view, 'cancel').click();
    vi.advanceTimersByTime(4_000);
    expect(asked).toEqual(['cancel']);
    expect(button(view, 'cancel').textContent).toBe('Cancelling…');
  });

  it('gives the keyboard to its undo, and takes it back', () => {
    const view = show({ act });
    view.update(record(), LIVE);
    button(view, 'cancel').focus();
    button(view, 'cancel').click();
    expect(document.activeElement).toBe(button(view, 'undo'));
    button(view, 'undo').click();
    expect(document.activeElement).toBe(button(view, 'cancel'));
  });

  it.each(['the page is closed', 'the card goes away'])('is meant where %s', (what) => {
    const view = show({ act });
    view.update(record(), LIVE);
    button(view, 'cancel').click();
    if (what === 'the page is closed') window.dispatchEvent(new Event('pagehide'));
    else view.dispose();
    expect(asked).toEqual(['cancel']);
    vi.advanceTimersByTime(60_000);
    window.dispatchEvent(new Event('pagehide'));
    expect(asked).toEqual(['cancel']);
  });

  it('is forgotten where the job has ended meanwhile', () => {
    const view = show({ act });
    view.update(record(), LIVE);
    button(view, 'cancel').click();
    view.update(DONE, LIVE);
    expect(isShown(view, 'undo')).toBe(false);
    vi.advanceTimersByTime(60_000);
    expect(asked).toEqual([]);
  });
});

describe('what did not come to its end', () => {
  it.each([
    ['interrupted', INTERRUPTED, 'continue', 'Continue'],
    ['failed', FAILED, 'retry', 'Run again'],
    ['cancelled', CANCELLED, 'retry', 'Run again'],
  ] as const)('can be run again where its cell is at hand: %s', async (_, state, name, words) => {
    const rerun = vi.fn(async () => {});
    const view = show({ rerun });
    view.update(state, LIVE);
    expect(button(view, name).textContent).toBe(words);
    button(view, name).click();
    await vi.waitFor(() => expect(rerun).toHaveBeenCalledOnce());
    const elsewhere = show();
    elsewhere.update(state, LIVE);
    expect(isShown(elsewhere, name)).toBe(false);
  });

  it('says where the cell is gone', async () => {
    const view = show({
      rerun: async () => {
        throw new ActionFailure('noCell');
      },
    });
    view.update(INTERRUPTED, LIVE);
    button(view, 'continue').click();
    await vi.waitFor(() =>
      expect(part(view, '.pw-note').textContent).toBe('The cell is not there any more.'),
    );
  });

  it.each([
    ['kernel-killed', 'The kernel was killed.'],
    ['kernel-out-of-memory', 'The kernel ran out of memory, and the system killed it.'],
    ['kernel-restarted', 'The kernel was restarted.'],
    ['transfer-stopped', 'Stopped from the notebook.'],
  ])('says why: %s', (code, words) => {
    const view = show();
    view.update({ ...INTERRUPTED, error: { code, message: '', hint: '' } }, LIVE);
    expect(part(view, '.pw-note-message').textContent).toBe(words);
  });
});

describe('a link', () => {
  const URL_ = 'https://hub.example.org/links/0';

  it('goes into the clipboard', async () => {
    const write = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
    const view = show({ link: async () => URL_ });
    view.update(DONE, LIVE);
    button(view, 'link').click();
    await vi.waitFor(() => expect(button(view, 'link').title).toBe('Link copied'));
    expect(write).toHaveBeenCalledWith(URL_);
    expect(part(view, '[aria-live=polite]').textContent).toBe('Link copied');
    write.mockRestore();
  });

  it('is shown to be copied by hand where the browser refuses', async () => {
    const write = vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('no'));
    const view = show({ link: async () => URL_ });
    view.update(DONE, LIVE);
    button(view, 'link').click();
    await vi.waitFor(() => expect(document.activeElement).toBe(part(view, '.pw-url')));
    expect(part<HTMLInputElement>(view, '.pw-url').value).toBe(URL_);
    expect(button(view, 'details').ariaExpanded).toBe('true');
    write.mockRestore();
  });

  it('is offered of a file that is there, and nowhere else', () => {
    const view = show({ link: async () => URL_ });
    view.update(record(), LIVE);
    expect(isShown(view, 'link')).toBe(false);
    view.update({ ...DONE, url: null }, LIVE);
    expect(isShown(view, 'link')).toBe(false);
    view.update(DONE, LIVE);
    expect(isShown(view, 'link')).toBe(true);
  });
});

describe('the file browser', () => {
  it('shows the file where it is below its root', async () => {
    const reveal = vi.fn(async () => {});
    const view = show({ reveal });
    view.update({ ...DONE, contents: null }, LIVE);
    expect(isShown(view, 'reveal')).toBe(false);
    view.update(DONE, LIVE);
    button(view, 'reveal').click();
    await vi.waitFor(() => expect(reveal).toHaveBeenCalledWith(DONE));
  });
});

describe('the details', () => {
  it('have a line for each, also among the outputs of JupyterLab', () => {
    const view = show();
    const output = document.createElement('div');
    output.className = 'jp-OutputArea-output';
    output.style.width = '800px';
    const style = document.createElement('style');
    style.textContent = outputs;
    output.append(style, view.element);
    document.body.append(output);
    view.update(DONE, LIVE);
    button(view, 'details').click();
    const terms = [...view.element.querySelectorAll<HTMLElement>('dt')];
    const kept = terms.find(({ textContent }) => textContent === 'Kept from before');
    expect(kept?.clientHeight).toBe(terms[0]?.clientHeight);
    expect(getComputedStyle(kept as HTMLElement).fontWeight).toBe('400');
    // The names take no more than they need.
    expect(kept?.clientWidth).toBeLessThan(150);
  });

  it('come on demand, by keyboard too, and go again', async () => {
    const view = show();
    view.update(DONE, LIVE);
    const details = part(view, '.pw-details');
    expect(details.checkVisibility()).toBe(false);
    expect(details.textContent).toBe('');
    expect(button(view, 'details').getAttribute('aria-controls')).toBe(details.id);
    button(view, 'details').focus();
    await userEvent.keyboard('{Enter}');
    expect(button(view, 'details').ariaExpanded).toBe('true');
    expect(details.textContent).toContain('/home/alice/flights.csv');
    expect(details.textContent).toContain('carrier string');
    await userEvent.keyboard('{Tab}');
    // The list can be scrolled, and so it can be reached.
    expect(document.activeElement).toBe(part(view, '.pw-pairs'));
    button(view, 'details').click();
    expect(details.checkVisibility()).toBe(false);
  });

  it('do not move under a person who reads them', () => {
    const view = show();
    view.update(record({ reused: 5 }), LIVE);
    button(view, 'details').click();
    const path = part(view, '[data-detail=path]');
    const pairs = part(view, '.pw-pairs');
    pairs.focus();
    view.update(record({ progress: 60, bytes: 7, reused: 5, rows: 7, revision: 13 }), LIVE);
    expect(path.isConnected).toBe(true);
    expect(document.activeElement).toBe(pairs);
  });

  it('take names for text', () => {
    const view = show();
    view.update(record({ schema: '<img src=x>\t<b>int64</b>', path: '<i>x</i>' }), LIVE);
    button(view, 'details').click();
    expect(view.element.querySelector('.pw-details :is(img, b, i)')).toBeNull();
  });
});

describe('the curve of the rate', () => {
  const heard = (view: JobView, from: number, count: number) => {
    for (let n = from; n < from + count; n += 1) {
      view.update(record({ updated: 1_712_000_000_000 + 1000 * n, rate: 100 + n }), LIVE);
    }
  };
  const line = (view: JobView) => part<SVGPathElement>(view, '.pw-spark path').getAttribute('d');

  it('is there from the third point on, and gone at the end', () => {
    const view = show();
    heard(view, 0, 2);
    expect(part<SVGElement>(view, '.pw-spark').checkVisibility()).toBe(false);
    heard(view, 2, 1);
    expect(line(view)).toMatch(/^M0\.0 .*L56\.0 0\.0$/);
    view.update(DONE, LIVE);
    expect(part<SVGElement>(view, '.pw-spark').checkVisibility()).toBe(false);
  });

  it('is the same in every bar of a job, and after a reload', () => {
    const [one, two] = [show(), show()];
    heard(one, 0, 5);
    heard(two, 5, 1);
    heard(one, 6, 1);
    const before = line(one);
    keepAll();
    dropAll();
    const after = show();
    heard(after, 6, 1);
    expect(line(after)).toBe(before);
  });

  it('leaves nothing behind of a job that ended while no page looked, however often it is told', () => {
    heard(show(), 0, 5);
    keepAll();
    dropAll();
    expect(sessionStorage).toHaveLength(1);
    const remove = vi.spyOn(Storage.prototype, 'removeItem');
    const after = show();
    for (let n = 0; n < 3; n += 1) after.update(DONE, LIVE);
    expect(sessionStorage).toHaveLength(0);
    expect(remove).toHaveBeenCalledOnce();
    remove.mockRestore();
  });
});

describe('the motion', () => {
  const track = (view: JobView) => part(view, '[role=progressbar]').getBoundingClientRect();
  const width = (view: JobView) =>
    (100 * (part(view, '.pw-fill').getBoundingClientRect().right - track(view).left)) /
    track(view).width;

  /** Percent: a point or two of the screen, to which a browser rounds. */
  const HALF = 0.5;

  it('never goes back and never beyond what was heard, whenever the next word comes', () => {
    const words = fc.array(
      fc.tuple(fc.double({ min: 0, max: 99.9, noNaN: true }), fc.integer({ min: 0, max: 700 })),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(words, (states) => {
        const view = show();
        view.update(record({ progress: 0 }), LIVE);
        let [last, heard] = [0, 0];
        for (const [progress, wait] of states) {
          heard = Math.max(heard, progress);
          view.update(record({ progress }), LIVE);
          const motions = part(view, '.pw-fill').getAnimations();
          // One that goes on is stopped already, and goes on from there.
          const begun = motions.map(({ playState, currentTime }) =>
            playState === 'paused' ? Number(currentTime) : 0,
          );
          for (let at = 0; at <= wait; at += 100) {
            motions.forEach((motion, n) => {
              motion.pause();
              motion.currentTime = (begun[n] ?? 0) + at;
            });
            const now = width(view);
            expect(now).toBeGreaterThanOrEqual(last - HALF);
            expect(now).toBeLessThanOrEqual(heard + HALF);
            last = now;
          }
        }
        view.dispose();
      }),
      { seed: 6, numRuns: 25 },
    );
  });

  it('is a ring where the total is unknown, of the same height', () => {
    const view = show();
    view.update(record(), LIVE);
    const height = view.element.offsetHeight;
    view.update(record({ progress: null, total: null, eta: null }), LIVE);
    const { width, height: high } = track(view);
    expect([width, high]).toEqual([32, 32]);
    expect(getComputedStyle(part(view, '.pw-track')).borderRadius).toBe('50%');
    expect(view.element.offsetHeight).toBe(height);
  });

  it.each([
    ['connecting', record({ phase: 'starting', progress: 2 }), 'pw-approach'],
    ['working', record(), 'none'],
    ['finishing', record({ phase: 'finishing', progress: 99 }), 'none'],
  ] as [string, JobRecord, string][])('has a colour for the stage %s', (stage, state, name) => {
    const view = show();
    view.update(state, LIVE);
    expect(view.element.dataset.stage).toBe(stage);
    const before = getComputedStyle(part(view, '.pw-track'), '::before');
    expect(before.animationName).toBe(name);
    if (stage === 'connecting') {
      // It comes nearer up to 30 %, and is no value that anybody is told.
      const box = part(view, '.pw-track').offsetWidth;
      expect(Number.parseFloat(before.width) / box).toBeCloseTo(0.3, 2);
    }
    const pulse = getComputedStyle(part(view, '.pw-fill')).animationName;
    expect(pulse).toBe(stage === 'finishing' ? 'pw-pulse' : 'none');
  });
});

describe('the keyboard', () => {
  it('passes all controls in the order in which they are seen', async () => {
    const view = show({ link: async () => '', reveal: async () => {}, save: async () => {} });
    view.update(DONE, LIVE);
    const seen = [...view.element.querySelectorAll<HTMLElement>('button')]
      .filter((element) => element.checkVisibility())
      .sort((one, two) => one.getBoundingClientRect().left - two.getBoundingClientRect().left)
      .map(({ dataset }) => dataset.action);
    const passed: (string | undefined)[] = [];
    for (let n = 0; n < seen.length; n += 1) {
      await userEvent.keyboard('{Tab}');
      passed.push((document.activeElement as HTMLElement).dataset.action);
    }
    expect(passed).toEqual(seen);
    expect(seen).toEqual(['save', 'download', 'link', 'reveal', 'details']);
  });
});
