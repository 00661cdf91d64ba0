import { CommandRegistry } from '@lumino/commands';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { ActionFailure } from '../src/actions';
import type { Connection } from '../src/channel/connection';
import { messagesFor } from '../src/i18n';
import type { Action, JobRecord } from '../src/protocol';
import type { Handlers } from '../src/view/button_actions';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import { DONE, FAILED, record, TASK } from './records';

const LIVE: Connection = { kind: 'live' };
const views: JobView[] = [];

function show(handlers: Partial<Handlers> = {}, name = 'flights.csv'): JobView {
  const view = new JobView({
    taskId: TASK,
    name,
    messages: messagesFor('en'),
    moment: 0,
    handlers: { act: async () => null, download: async () => {}, reconnect: () => {}, ...handlers },
  });
  document.body.append(view.element);
  adoptStyle(view.element);
  views.push(view);
  return view;
}

afterEach(() => {
  for (const view of views.splice(0)) view.dispose();
  document.body.replaceChildren();
});

const part = (view: JobView, selector: string) => {
  const found = view.element.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`${selector} is missing`);
  return found;
};
const bar = (view: JobView) => part(view, '[role=progressbar]');
const button = (view: JobView, action: string) =>
  part(view, `button[data-action=${action}]`) as HTMLButtonElement;
const visibleButtons = (view: JobView) =>
  [...view.element.querySelectorAll<HTMLElement>('button[data-action]')]
    .filter((element) => element.checkVisibility())
    .map((element) => element.dataset.action)
    .filter((action) => action !== 'details');
const fillWidth = (view: JobView) =>
  (part(view, '.pw-fill').getBoundingClientRect().right - bar(view).getBoundingClientRect().left) /
  bar(view).getBoundingClientRect().width;

describe('the names that tests of any origin rely on', () => {
  it('are there from the first moment', () => {
    const view = show();
    expect(view.element.dataset).toMatchObject({
      taskId: TASK,
      state: 'queued',
      connection: 'connecting',
    });
    expect(view.element.classList).toContain('pw-job');
    expect(bar(view).getAttribute('aria-label')).toBe('Export of flights.csv');
    expect(bar(view).getAttribute('aria-valuemin')).toBe('0');
    expect(bar(view).getAttribute('aria-valuemax')).toBe('100');
    expect(bar(view).hasAttribute('aria-valuenow')).toBe(false);
  });

  it('follow the state', () => {
    const view = show();
    view.update(record(), LIVE);
    expect(view.element.dataset).toMatchObject({ state: 'running', connection: 'live' });
    expect(bar(view).getAttribute('aria-valuenow')).toBe('42.4');
    expect(bar(view).getAttribute('aria-valuetext')).toBe(
      'Writing, 42%, 1,428,000 of 3,367,760 rows',
    );
    view.update(record({ progress: null, total: null }), LIVE);
    expect(bar(view).hasAttribute('aria-valuenow')).toBe(false);
    view.update(DONE, LIVE);
    expect(bar(view).getAttribute('aria-valuenow')).toBe('100');
    expect(view.element.querySelectorAll('[role=progressbar]')).toHaveLength(1);
  });
});

describe('the bar', () => {
  it('stands where the job is at the first state, without a run-up', () => {
    const view = show();
    view.update(record({ progress: 42 }), LIVE);
    expect(fillWidth(view)).toBeCloseTo(0.42, 2);
  });

  it('eases to later states and never runs backwards within a run', async () => {
    const view = show();
    view.update(record({ progress: 40 }), LIVE);
    expect(fillWidth(view)).toBeCloseTo(0.4, 2);
    view.update(record({ progress: 80 }), LIVE);
    expect(fillWidth(view)).toBeLessThan(0.7);
    await vi.waitFor(() => expect(fillWidth(view)).toBeCloseTo(0.8, 2));
    view.update(record({ progress: 60 }), LIVE);
    expect(bar(view).getAttribute('aria-valuenow')).toBe('80');
    view.update(record({ progress: 5, generation: 2 }), LIVE);
    expect(bar(view).getAttribute('aria-valuenow')).toBe('5');
  });
});

describe('the card', () => {
  it('keeps its height through the states of a good run', () => {
    const view = show();
    const heights = new Set([view.element.offsetHeight]);
    const states: [JobRecord | null, Connection][] = [
      [null, LIVE],
      [record({ status: 'queued' }), LIVE],
      [record({ phase: 'starting' }), LIVE],
      [record(), LIVE],
      [record({ pending: 'pause' }), LIVE],
      [record({ status: 'paused' }), LIVE],
      [record(), { kind: 'reconnecting', attempt: 3, of: 5, cause: null }],
      [record(), { kind: 'offline', reason: 'unreachable' }],
      [record({ phase: 'finishing' }), LIVE],
      [DONE, LIVE],
    ];
    for (const [state, connection] of states) {
      view.update(state, connection);
      heights.add(view.element.offsetHeight);
    }
    expect(heights.size).toBe(1);
  });

  it.each([200, 320, 375, 480, 768, 1600])('fits into %d px, whatever is in it', (width) => {
    const host = document.createElement('div');
    host.style.width = `${width}px`;
    document.body.append(host);
    const view = show({}, 'x'.repeat(255));
    host.append(view.element);
    for (const connection of [
      LIVE,
      { kind: 'comm' },
      { kind: 'reconnecting', attempt: 1, of: 5, cause: null },
      { kind: 'offline', reason: 'absent' },
      { kind: 'polling' },
    ] as Connection[]) {
      for (const state of [record({ name: 'x'.repeat(255) }), DONE, FAILED]) {
        view.update(state, connection);
        const right = view.element.getBoundingClientRect().right;
        for (const element of view.element.querySelectorAll<HTMLElement>('*')) {
          if (!element.checkVisibility() || element.closest('.pw-announcer, .pw-label, .pw-fill')) {
            continue;
          }
          if (element.closest('.pw-part')) continue;
          expect(element.getBoundingClientRect().right).toBeLessThanOrEqual(right + 0.5);
        }
        expect(host.scrollWidth).toBeLessThanOrEqual(width);
      }
    }
  });

  it('isolates the name of the file and shows the whole of it to a pointer', () => {
    const view = show();
    view.update(record({ name: 'رحلات 2013.csv', path: '/data/رحلات 2013.csv' }), LIVE);
    const name = part(view, '.pw-name');
    expect(name.localName).toBe('bdi');
    expect(name.textContent).toBe('رحلات 2013.csv');
    expect(name.title).toBe('/data/رحلات 2013.csv');
  });

  it('takes markup in names and errors as text', () => {
    const view = show();
    const name = '<img src=x onerror=alert(1)>.csv';
    const error = { code: 'x', message: '<b>no</b>', hint: '<script>no</script>' };
    view.update(record({ name, status: 'failed', error }), LIVE);
    expect(view.element.querySelector('img, b, script')).toBeNull();
    expect(part(view, '.pw-name').textContent).toBe(name);
    expect(part(view, '.pw-note-message').textContent).toBe('<b>no</b>');
  });

  it('brings its style into a shadow root too', () => {
    const host = document.createElement('div');
    document.body.append(host);
    const shadow = host.attachShadow({ mode: 'open' });
    const view = show();
    shadow.append(view.element);
    adoptStyle(view.element);
    expect(getComputedStyle(bar(view)).height).toBe('7px');
    adoptStyle(view.element);
    expect(shadow.adoptedStyleSheets).toHaveLength(1);
  });
});

describe('the buttons', () => {
  it('are those of the state', () => {
    const view = show();
    expect(visibleButtons(view)).toEqual([]);
    view.update(record(), LIVE);
    expect(visibleButtons(view)).toEqual(['pause', 'cancel']);
    view.update(record({ status: 'paused' }), LIVE);
    expect(visibleButtons(view)).toEqual(['resume', 'cancel']);
    view.update(DONE, LIVE);
    expect(visibleButtons(view)).toEqual(['download']);
  });

  it('say that they wait, and wait, until the job obeys', async () => {
    const asked: Action[] = [];
    const view = show({
      act: async (action) => {
        asked.push(action);
        return record({ pending: action });
      },
    });
    view.update(record(), LIVE);
    button(view, 'pause').click();
    expect(button(view, 'pause').textContent).toBe('Pausing…');
    expect(button(view, 'pause').ariaDisabled).toBe('true');
    button(view, 'pause').click();
    await vi.waitFor(() => expect(asked).toEqual(['pause']));
    view.update(record({ pending: 'pause', revision: 13 }), LIVE);
    expect(button(view, 'pause').textContent).toBe('Pausing…');
    expect(button(view, 'cancel').ariaDisabled).toBe('false');
    view.update(record({ status: 'paused', revision: 14 }), LIVE);
    expect(button(view, 'resume').ariaDisabled).toBe('false');
  });

  it('are all closed by a pending cancel', () => {
    const view = show();
    view.update(record({ pending: 'cancel' }), LIVE);
    expect(button(view, 'cancel').textContent).toBe('Cancelling…');
    expect(button(view, 'pause').ariaDisabled).toBe('true');
  });

  it('wait for the kernel where the comm answers nothing', async () => {
    const view = show({ act: async () => null });
    view.update(record({ background: true }), { kind: 'comm' });
    button(view, 'pause').click();
    await Promise.resolve();
    view.update(record({ background: true, revision: 13 }), { kind: 'comm' });
    expect(button(view, 'pause').textContent).toBe('Pausing…');
    view.update(record({ background: true, status: 'paused' }), { kind: 'comm' });
    view.update(record({ background: true, revision: 15 }), { kind: 'comm' });
    expect(button(view, 'pause').textContent).toBe('Pause');
  });

  it('download what is still being written, in words that a pointer reveals', async () => {
    const asked: string[] = [];
    const view = show({ download: async ({ status }) => void asked.push(status) });
    view.update(record({ appendOnly: true }), LIVE);
    expect(visibleButtons(view)).toEqual(['follow', 'pause', 'cancel']);
    expect(button(view, 'follow').title).toBe('Download while it is written');
    expect(part(view, '[data-action=follow] .pw-label').offsetWidth).toBeLessThan(2);
    button(view, 'follow').click();
    await vi.waitFor(() => expect(button(view, 'follow').ariaDisabled).toBe('false'));
    expect(asked).toEqual(['running']);
  });

  it('tell in words why something did not work, and forget it at the next state', async () => {
    const view = show({
      act: async () => {
        throw new ActionFailure('ended');
      },
      download: async () => {
        throw new ActionFailure('fileGone');
      },
    });
    view.update(record(), LIVE);
    button(view, 'cancel').click();
    const note = part(view, '.pw-note');
    await vi.waitFor(() => expect(note.textContent).toBe('The job has ended already.'));
    expect(button(view, 'cancel').ariaDisabled).toBe('false');
    view.update(DONE, LIVE);
    expect(note.checkVisibility()).toBe(false);
    button(view, 'download').click();
    await vi.waitFor(() => expect(note.textContent).toContain('The file was replaced or deleted'));
    expect(button(view, 'download').ariaDisabled).toBe('false');
  });

  it('hand the keyboard on when they go away', () => {
    const view = show();
    view.update(record(), LIVE);
    button(view, 'pause').focus();
    view.update(record({ status: 'paused' }), LIVE);
    expect(document.activeElement).toBe(button(view, 'resume'));
  });

  it('hand the keyboard to the details where nothing else can be done', () => {
    const view = show();
    view.update(record(), LIVE);
    button(view, 'cancel').focus();
    view.update(FAILED, LIVE);
    expect(document.activeElement).toBe(button(view, 'details'));
  });

  it('keep the keys for themselves: the shortcuts of the notebook are not for them', () => {
    const view = show();
    view.update(record(), LIVE);
    const commands = new CommandRegistry();
    const cut = vi.fn();
    commands.addCommand('cut', { execute: cut });
    commands.addKeyBinding({ command: 'cut', keys: ['D', 'D'], selector: 'body' });
    const onKey = (event: KeyboardEvent) => commands.processKeydownEvent(event);
    document.addEventListener('keydown', onKey, true);
    const press = (target: Element, key: string) =>
      target.dispatchEvent(
        new KeyboardEvent('keydown', { key, keyCode: 68, bubbles: true, cancelable: true }),
      );
    for (let n = 0; n < 2; n += 1) press(button(view, 'cancel'), 'd');
    expect(cut).not.toHaveBeenCalled();
    for (let n = 0; n < 2; n += 1) press(document.body, 'd');
    expect(cut).toHaveBeenCalledOnce();
    document.removeEventListener('keydown', onKey, true);
  });

  it('are pressed by Enter and Space, and passed by Tab', async () => {
    const asked: Action[] = [];
    const view = show({
      act: async (action) => {
        asked.push(action);
        return record();
      },
    });
    view.update(record(), LIVE);
    button(view, 'pause').focus();
    await userEvent.keyboard('{Enter}');
    await userEvent.keyboard('{Tab}');
    expect(document.activeElement).toBe(button(view, 'cancel'));
    await userEvent.keyboard(' ');
    await vi.waitFor(() => expect(asked).toEqual(['pause', 'cancel']));
  });

  it('never take the keyboard from elsewhere', () => {
    const view = show();
    view.update(record(), LIVE);
    view.update(record({ status: 'paused' }), LIVE);
    expect(document.activeElement).toBe(document.body);
  });

  it('call for a new connection', () => {
    const reconnect = vi.fn();
    const view = show({ reconnect });
    view.update(record(), { kind: 'offline', reason: 'unreachable' });
    button(view, 'reconnect').click();
    expect(reconnect).toHaveBeenCalledOnce();
  });
});

describe('a screen reader', () => {
  it('hears of changes of state, not of numbers, and not of what was there at first', () => {
    const view = show();
    const announcer = part(view, '[aria-live=polite]');
    view.update(record(), LIVE);
    view.update(record({ progress: 50, rows: 2 }), LIVE);
    expect(announcer.textContent).toBe('');
    view.update(record({ status: 'paused' }), LIVE);
    expect(announcer.textContent).toBe('flights.csv: Paused');
    view.update(FAILED, LIVE);
    expect(announcer.textContent).toContain('Failed. Column "route" is a list');
  });
});

describe('time', () => {
  afterEach(() => void vi.useRealTimers());
  const time = (view: JobView) => part(view, '[data-part=elapsed]').textContent;
  const slow = { rows: 0, rate: 0, eta: null, elapsed: 20 } as const;

  it('goes on from the last word while the job runs and is live, on one timer', () => {
    vi.useFakeTimers();
    const view = show();
    const running = record({ ...slow, updated: Date.now() - 5_000 });
    // Another job was heard of just now: what is older than that is late.
    show().update(record({ ...slow, updated: Date.now(), status: 'paused' }), LIVE);
    view.update(running, LIVE);
    show().update(running, LIVE);
    expect(vi.getTimerCount()).toBe(1);
    expect(time(view)).toBe('25\u00a0s');
    vi.advanceTimersByTime(3_000);
    expect(time(view)).toBe('28\u00a0s');
    // A sign of life without news does not turn time back.
    view.update({ ...running, updated: Date.now(), revision: 13 }, LIVE);
    expect(time(view)).toBe('28\u00a0s');
    view.update({ ...running, status: 'paused', elapsed: 28 }, LIVE);
    vi.advanceTimersByTime(3_000);
    expect(time(view)).toBe('28\u00a0s');
    for (const view of views) view.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('stands still where nothing is heard, and counts from now where the clocks differ', () => {
    vi.useFakeTimers();
    const view = show();
    view.update(record(slow), LIVE);
    expect(time(view)).toBe('20\u00a0s');
    view.update(record(slow), { kind: 'offline', reason: 'unreachable' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('the line of numbers is copied as it is read', () => {
  const view = show();
  const host = document.createElement('div');
  host.style.width = '900px';
  document.body.append(host);
  host.append(view.element);
  const copied = () => {
    const selection = getSelection();
    selection?.selectAllChildren(part(view, '.pw-numbers'));
    return selection?.toString().replaceAll('\u00a0', ' ');
  };
  view.update(record({ rate: null }), LIVE);
  expect(copied()).toBe('42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 2.4 s · 4 s left');
  view.update(DONE, LIVE);
  expect(copied()).toMatch(/^3,367,760 rows · 326/);
  host.style.width = '400px';
  // What has no room is on a line that nobody sees, and is copied with the others.
  expect(copied()).toMatch(/^3,367,760 rows · 5.8 s · sha-256 9f86/);
});

describe('an update', () => {
  it('that changes nothing touches nothing', () => {
    const view = show();
    view.update(record(), LIVE);
    const changes = new MutationObserver(() => {});
    changes.observe(view.element, { subtree: true, childList: true, characterData: true });
    view.update(record(), LIVE);
    expect(changes.takeRecords()).toEqual([]);
  });
});

describe('the end of a view', () => {
  it('takes it out of the page and leaves no ear behind', async () => {
    const act = vi.fn(async () => null);
    const view = show({ act });
    view.update(record(), LIVE);
    const pause = button(view, 'pause');
    view.dispose();
    expect(view.element.isConnected).toBe(false);
    pause.click();
    expect(act).not.toHaveBeenCalled();
  });
});
