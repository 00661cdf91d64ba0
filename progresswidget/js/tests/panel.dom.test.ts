import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../src/channel/channel';
import { exportWords } from '../src/exporting/words';
import { CHINESE, ENGLISH, type Messages } from '../src/i18n';
import { labWordsOf } from '../src/i18n/lab';
import { Feed } from '../src/jobs/feed';
import { type Told, takeEnd } from '../src/jobs/notices';
import type { IExports } from '../src/lab/exports';
import { DiskWatch, diskText, diskUseOf } from '../src/lab/panel/disk';
import { toggled } from '../src/lab/panel/states';
import { ExportsPanel } from '../src/lab/panel/widget';
import { preferencesOf, USUAL } from '../src/lab/preferences';
import { RunningExports } from '../src/lab/running';
import { sayAnew } from '../src/lab/schemas';
import { ExportsStatus, statusText } from '../src/lab/status';
import type { JobRecord, Status } from '../src/protocol';
import { pageServer } from '../src/server';
import { inNextFrame } from '../src/view/frame';
import { Network, settle } from './fake_network';
import { GROUP, GROUP_DONE, group, PARTS_DONE, parts } from './parts';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record } from './records';
import { movingIn, prefer } from './still';

const id = (index: number) => index.toString(16).padStart(32, '0');

let network: Network;
let exports: Mutable<IExports>;
let commands: CommandRegistry;
let executed: [string, unknown][];
const shown: Widget[] = [];

type Mutable<T> = { -readonly [name in keyof T]: T[name] };

async function setUp(messages: Messages = ENGLISH): Promise<void> {
  network = new Network();
  const server = pageServer('/', location.origin);
  exports = {
    server: { ...server, request: async () => Response.json({}) },
    messages,
    words: labWordsOf(messages),
    exporting: exportWords(messages),
    feed: new Feed(new Channel(network.environment), inNextFrame),
    preferences: USUAL,
    preferencesChanged: new Signal({} as IExports),
  };
  commands = new CommandRegistry();
  executed = [];
  for (const name of ['job', 'open']) {
    commands.addCommand(`progresswidget:${name}`, {
      execute: (args) => void executed.push([name, args]),
    });
  }
  network.wire.hello();
  await settle();
}

beforeEach(() => setUp());

afterEach(() => {
  for (const widget of shown.splice(0)) widget.dispose();
  exports.feed.dispose();
});

const counted = (tasks: number) =>
  network.wire.say({ type: 'watching', re: 1, timestamp: 1, data: { all: true, tasks } });

function take(...jobs: JobRecord[]): void {
  for (const snapshot of jobs) {
    const data = { taskId: snapshot.taskId, recovered: false, snapshot };
    network.wire.say({ type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data });
  }
}

/** One job in each state, the newest first. */
const EVERY: readonly JobRecord[] = [
  record(),
  record({ status: 'paused', name: 'paused.csv' }),
  record({ status: 'queued', name: 'waiting.csv', rows: 0 }),
  { ...DONE, name: 'sales.parquet', notebook: 'other.ipynb' },
  { ...FAILED, name: 'failed.csv' },
  { ...INTERRUPTED, name: 'interrupted.csv' },
  { ...CANCELLED, name: 'cancelled.csv' },
].map((job, index) => ({ ...job, taskId: id(index), created: job.created - index }));

function show(): ExportsPanel {
  const panel = new ExportsPanel(exports, commands);
  // As JupyterLab's style has it.
  panel.node.style.cssText = 'display: flex; flex-direction: column; width: 260px; height: 600px';
  Widget.attach(panel, document.body);
  shown.push(panel);
  return panel;
}

const rows = (panel: Widget) => [...panel.node.querySelectorAll<HTMLElement>('.pw-export')];
const names = (panel: Widget) =>
  rows(panel).map((row) => row.querySelector('.pw-export-name')?.textContent);
const emptiness = (panel: Widget) =>
  panel.node.querySelector('.pw-empty:not([hidden])')?.textContent;
const stateButton = (panel: Widget, status: string) =>
  panel.node.querySelector<HTMLButtonElement>(`.pw-state[data-status=${status}]`);

/** JupyterLab's search field, an element of its own; an error until it is drawn. */
function fieldOf(panel: Widget): HTMLElement & { value: string; placeholder: string } {
  const field = panel.node.querySelector('.jp-FilterBox');
  if (!field) throw new Error('no field yet');
  return field as HTMLElement & { value: string; placeholder: string };
}

describe('the panel', () => {
  it('says what goes on before there is anything to show', async () => {
    const panel = show();
    expect(emptiness(panel)).toContain(exports.words.loading);
    counted(0);
    expect(emptiness(panel)).toContain('pw.export(df');
    expect(panel.node.querySelector<HTMLElement>('.pw-states')?.hidden).toBe(true);
  });

  it('stands still for who wants no motion, and moves for others', async () => {
    const panel = show();
    counted(9);
    const unknown = record({ taskId: id(20), progress: null, total: null });
    take(...EVERY, unknown, group());
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(9));
    const list = panel.node.querySelector('.pw-list') as HTMLElement;
    await vi.waitFor(() => expect(movingIn(list).join(' ')).toMatch(/pw-slide/));
    expect(movingIn(list).join(' ')).toMatch(/pw-spin/);
    try {
      await prefer(['prefers-reduced-motion', 'reduce']);
      expect(movingIn(list)).toEqual([]);
      const track = list.querySelector('.pw-track[data-indeterminate=true]') as HTMLElement;
      // As wide as all there is, and faint: it is no bar that is full.
      const within = getComputedStyle(track, '::before');
      expect(Number.parseFloat(within.width)).toBe(track.clientWidth);
      expect(Number(within.opacity)).toBeLessThan(0.5);
    } finally {
      await prefer();
    }
  });

  it('has a row for each job, with its state, its words and its buttons', async () => {
    const panel = show();
    counted(7);
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    await vi.waitFor(() => expect(names(panel)[3]).toBe('sales.parquet'));
    expect(rows(panel).map((row) => row.dataset.state)).toEqual(EVERY.map(({ status }) => status));
    expect(emptiness(panel)).toBeUndefined();
    const choices = rows(panel).map((row) =>
      [...row.querySelectorAll('button')].map((button) => button.dataset.choice).join(' '),
    );
    expect(choices).toEqual([
      ...['pause cancel', 'resume cancel', 'cancel', 'download show', 'retry', 'retry', 'retry'],
    ]);
    const bars = rows(panel).map((row) => row.querySelector<HTMLElement>('[role=progressbar]'));
    expect(bars.map((bar) => bar?.checkVisibility())).toEqual([
      ...[true, true, true, false, false, false, false],
    ]);
    expect(bars[0]?.ariaValueNow).toBe('42.4');
    rows(panel)[3]?.querySelector('button')?.click();
    expect(executed).toEqual([['job', { choice: 'download', taskId: id(3) }]]);
  });

  it('has the words of a job where they were when its bar goes, and nothing over them', async () => {
    const panel = show();
    counted(1);
    const [job] = EVERY as [JobRecord];
    take(job);
    const text = await vi.waitFor(() => {
      const found = rows(panel)[0]?.querySelector('.pw-export-text');
      expect(found?.textContent).toContain('Writing');
      return found as HTMLElement;
    });
    const before = text.getBoundingClientRect();
    const track = rows(panel)[0]?.querySelector('.pw-track')?.getBoundingClientRect();
    expect(track?.top).toBeGreaterThanOrEqual(before.bottom);
    expect(track?.bottom).toBeLessThan(rows(panel)[0]?.getBoundingClientRect().bottom ?? 0);
    take({ ...DONE, taskId: job.taskId });
    await vi.waitFor(() => expect(text.textContent).toContain('Done'));
    expect(text.getBoundingClientRect().top).toBe(before.top);
  });

  it('shows the states that are chosen, each with how many there are', async () => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(stateButton(panel, 'all')?.textContent).toBe('All 7'));
    expect(stateButton(panel, 'all')?.ariaPressed).toBe('true');
    stateButton(panel, 'failed')?.click();
    stateButton(panel, 'done')?.click();
    await vi.waitFor(() => expect(names(panel)).toEqual(['sales.parquet', 'failed.csv']));
    expect(stateButton(panel, 'all')?.ariaPressed).toBe('false');
    // The last of a state that is chosen goes: the choice stays to be seen.
    exports.feed.records.remove(id(4));
    await vi.waitFor(() => expect(names(panel)).toEqual(['sales.parquet']));
    expect(stateButton(panel, 'failed')?.checkVisibility()).toBe(true);
    stateButton(panel, 'all')?.click();
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(6));
    expect(stateButton(panel, 'failed')?.checkVisibility()).toBe(false);
  });

  it('searches, and leads out of a search that finds nothing', async () => {
    const panel = show();
    take(...EVERY);
    const field = await vi.waitFor(() => fieldOf(panel));
    const type = (text: string) => {
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    };
    type('SALES');
    await vi.waitFor(() => expect(names(panel)).toEqual(['sales.parquet']));
    type('nowhere');
    await vi.waitFor(() => expect(emptiness(panel)).toContain(exports.words.nothing));
    panel.node.querySelector<HTMLButtonElement>('.pw-empty-button')?.click();
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    expect(field.value).toBe('');
  });

  it('shows those of one notebook, and all again', async () => {
    const panel = show();
    take(...EVERY);
    panel.showNotebook('other.ipynb');
    await vi.waitFor(() => expect(names(panel)).toEqual(['sales.parquet']));
    const scope = panel.node.querySelector<HTMLButtonElement>('.pw-scope');
    expect([scope?.textContent, scope?.checkVisibility()]).toEqual(['other.ipynb', true]);
    // As many as there are to be seen.
    expect(stateButton(panel, 'all')?.textContent).toBe('All 1');
    scope?.click();
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    expect(scope?.checkVisibility()).toBe(false);
    expect(stateButton(panel, 'all')?.textContent).toBe('All 7');
    panel.showNotebook('new.ipynb');
    expect(emptiness(panel)).toContain('This notebook has no exports yet.');
  });

  it('is sorted as the person wants', async () => {
    const panel = show();
    take(...EVERY);
    panel.order = 'name';
    await vi.waitFor(() => expect(names(panel)).toHaveLength(7));
    expect(names(panel)).toEqual([...names(panel)].sort());
  });

  it('leads the keyboard to the rows when a person has sorted it from the menu', async () => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(names(panel)).toHaveLength(7));
    panel.order = 'size';
    expect(panel.node.contains(document.activeElement)).toBe(false);
    panel.sortBy('name');
    expect((document.activeElement as HTMLElement).dataset.key).toBeDefined();
    expect(panel.node.contains(document.activeElement)).toBe(true);
    expect(panel.order).toBe('name');
  });

  it('takes the buttons away, and says so, while the server is gone', async () => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    network.wire.break(4501);
    await vi.waitFor(() =>
      expect(panel.node.querySelectorAll('.pw-export button')).toHaveLength(0),
    );
    expect(rows(panel)[0]?.dataset.stale).toBe('true');
    expect(panel.node.querySelector('.pw-exports-link')?.textContent).toBe(ENGLISH.offline.login);
    panel.node.querySelector<HTMLButtonElement>('.pw-exports-foot button')?.click();
    expect(network.wires).toHaveLength(2);
  });

  it('offers to connect again where it has nothing to show', async () => {
    const panel = show();
    network.wire.break(4501);
    await vi.waitFor(() => expect(emptiness(panel)).toContain(ENGLISH.offline.login));
    panel.node.querySelector<HTMLButtonElement>('.pw-empty-button')?.click();
    expect(network.wires).toHaveLength(2);
  });

  it('keeps the keyboard in a row whose button goes', async () => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    const first = rows(panel)[0];
    const pause = first?.querySelector<HTMLElement>('[data-choice=pause]');
    first?.focus();
    pause?.focus();
    expect(document.activeElement).toBe(pause);
    exports.feed.records.put({ ...record(), taskId: id(0), pending: 'pause', revision: 13 });
    await vi.waitFor(() => expect(document.activeElement).toBe(first));
  });

  it.each([
    ['the notebook', '.pw-scope', (panel: ExportsPanel) => panel.showNotebook('other.ipynb'), ''],
    ['Show All', '.pw-empty-button', (panel: ExportsPanel) => panel.showNotebook('none.ipynb'), ''],
    ['Reconnect', '.pw-exports-foot button', () => network.wire.break(4501), 'Reconnect'],
  ])('keeps the keyboard when the button of %s goes', async (_, selector, bring, label) => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    await vi.waitFor(() => fieldOf(panel));
    bring(panel);
    const button = panel.node.querySelector<HTMLButtonElement>(selector);
    await vi.waitFor(() => expect(button?.checkVisibility()).toBe(true));
    if (label) expect(button?.textContent).toBe(label);
    button?.focus();
    expect(document.activeElement).toBe(button);
    button?.click();
    if (label) network.wire.hello();
    await vi.waitFor(() => expect(button?.checkVisibility()).toBe(false));
    const focused = document.activeElement as HTMLElement;
    expect([focused.dataset.key, focused.checkVisibility()]).toEqual([expect.any(String), true]);
  });

  it('keeps the keyboard among the states, and in the panel', async () => {
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    await vi.waitFor(() => fieldOf(panel));
    stateButton(panel, 'failed')?.focus();
    exports.feed.records.remove(id(4));
    await vi.waitFor(() => expect(stateButton(panel, 'failed')?.checkVisibility()).toBe(false));
    expect(document.activeElement).toBe(stateButton(panel, 'all'));
    for (const { taskId } of EVERY) exports.feed.records.remove(taskId);
    await vi.waitFor(() => expect(document.activeElement).toBe(fieldOf(panel)));
  });

  it('folds the parts of a group by mouse and keyboard, and by itself when it is done', async () => {
    const panel = show();
    take(group(), ...parts());
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(9));
    expect(names(panel)[0]).toBe('Monthly close');
    const fold = () => panel.node.querySelector<HTMLButtonElement>('.pw-export-fold');
    expect(panel.node.querySelectorAll('.pw-export-fold')).toHaveLength(1);
    expect(fold()?.ariaExpanded).toBe('true');
    expect(fold()?.ariaLabel).toBe('Parts of Monthly close');
    rows(panel)[0]?.focus();
    for (let press = 0; press < 3; press += 1) {
      const key = new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true });
      document.activeElement?.dispatchEvent(key);
    }
    expect(document.activeElement).toBe(fold());
    fold()?.click();
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(1));
    expect(fold()?.ariaExpanded).toBe('false');
    expect(document.activeElement).toBe(fold());
    fold()?.click();
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(9));
    panel.reveal(parts()[7]?.taskId ?? '');
    expect((document.activeElement as HTMLElement).dataset.key).toBe(parts()[7]?.taskId);
  });

  it('shows of a group that is done no part until it is asked for', async () => {
    const panel = show();
    take(GROUP_DONE, ...PARTS_DONE);
    await vi.waitFor(() => expect(names(panel)).toEqual(['Monthly close']));
    panel.reveal(PARTS_DONE[2]?.taskId ?? '');
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(9));
    expect((document.activeElement as HTMLElement).dataset.key).toBe(PARTS_DONE[2]?.taskId);
    expect(rows(panel)[0]?.dataset.key).toBe(GROUP);
  });

  it('says at its foot how it hears of all', async () => {
    const panel = show();
    const link = () => panel.node.querySelector<HTMLElement>('.pw-exports-link');
    take(...EVERY);
    await vi.waitFor(() => expect(link()?.textContent).toBe('Live'));
    expect(link()?.checkVisibility()).toBe(true);
    network.wire.break(1006);
    await vi.waitFor(() => expect(link()?.textContent).toMatch(/^Reconnecting, \d of 5/));
  });

  it('draws of 2,000 jobs those in view, and finds any of them', async () => {
    const panel = show();
    take(
      ...Array.from({ length: 2_000 }, (_, index) => ({
        ...DONE,
        taskId: id(index),
        name: `export ${index}.csv`,
        created: DONE.created - index,
      })),
    );
    await vi.waitFor(() => expect(stateButton(panel, 'done')?.textContent).toBe('Done 2,000'));
    expect(rows(panel).length).toBeLessThan(30);
    panel.reveal(id(1_500));
    await vi.waitFor(() => expect(names(panel)).toContain('export 1500.csv'));
    expect((document.activeElement as HTMLElement).dataset.key).toBe(id(1_500));
  });

  it('hears nothing more after its end', async () => {
    const panel = show();
    panel.dispose();
    take(...EVERY);
    await new Promise(requestAnimationFrame);
    expect(rows(panel)).toHaveLength(0);
  });
});

describe('the states that are wanted', () => {
  const set = (...statuses: Status[]) => new Set(statuses);
  it.each([
    [null, 'done', set('done')],
    [set('done'), 'failed', set('done', 'failed')],
    [set('done', 'failed'), 'done', set('failed')],
    [set('failed'), 'failed', null],
    [set('failed'), null, null],
  ] as const)('%j and %s', (chosen, status, expected) => {
    expect(toggled(chosen, status)).toEqual(expected);
  });
});

describe('the item of the status bar', () => {
  it('is there while something runs', async () => {
    let opened = 0;
    const item = new ExportsStatus(exports, () => {
      opened += 1;
    });
    shown.push(item);
    Widget.attach(item, document.body);
    const changes: boolean[] = [];
    item.activeChanged.connect(() => changes.push(item.isActive));
    take(record({ progress: 40 }), record({ taskId: id(1), progress: 61 }));
    await vi.waitFor(() => expect(changes).toEqual([true]));
    expect(item.node.textContent).toBe('2 jobs 50%');
    item.node.querySelector('button')?.click();
    expect(opened).toBe(1);
    exports.preferences = { ...USUAL, statusBar: false };
    (exports.preferencesChanged as Signal<IExports, void>).emit();
    expect(changes).toEqual([true, false]);
    exports.preferences = USUAL;
    (exports.preferencesChanged as Signal<IExports, void>).emit();
    exports.feed.records.remove(id(1));
    take(DONE);
    await vi.waitFor(() => expect(changes).toEqual([true, false, true, false]));
    expect(item.node.dataset.stale).toBe('false');
    network.wire.break(1006);
    // Nothing new is heard: it must not look as if it went on.
    expect(item.node.dataset.stale).toBe('true');
  });

  it('says no percent that nobody knows', () => {
    const summary = { count: {} as never, active: 1, progress: null };
    expect(statusText(summary, exports.words.active, 'en')).toBe('1 job');
    expect(statusText({ ...summary, progress: 99.9 }, exports.words.active, 'en')).toBe(
      '1 job 99%',
    );
  });
});

describe('the section of what runs', () => {
  function section(): RunningExports {
    return new RunningExports({ commands } as unknown as JupyterFrontEnd, exports);
  }

  it('has what runs, opens its notebook and cancels it', () => {
    const running = section();
    take(...EVERY);
    const items = running.running();
    expect(items.map((item) => item.label())).toEqual(['flights.csv', 'paused.csv', 'waiting.csv']);
    expect(items.map((item) => item.detail?.())).toEqual(['42%', 'Paused', 'Waiting']);
    items[0]?.open?.();
    running.shutdownAll();
    expect(executed).toEqual([
      ['job', { choice: 'notebook', taskId: id(0) }],
      ...[0, 1, 2].map((index) => ['job', { choice: 'cancel', taskId: id(index) }]),
    ]);
    running.setShown(false);
    expect(running.running()).toEqual([]);
    running.dispose();
  });

  it('lists fifty at most, and leads to the others', () => {
    const running = section();
    take(...Array.from({ length: 2_000 }, (_, index) => record({ taskId: id(index) })));
    const items = running.running();
    expect(items).toHaveLength(51);
    expect(items.at(-1)?.label()).toBe('and 1,950 more…');
    expect(items.at(-1)?.shutdown).toBeUndefined();
    items.at(-1)?.open?.();
    expect(executed).toEqual([['open', {}]]);
    running.shutdownAll();
    expect(executed).toHaveLength(1 + 2_000);
    running.dispose();
  });

  it('is drawn anew at most twice a second, and not for what has ended already', async () => {
    const running = section();
    let changes = 0;
    running.runningChanged.connect(() => {
      changes += 1;
    });
    take(DONE);
    await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(changes).toBe(0);
    for (let revision = 13; revision < 20; revision += 1) {
      take(record({ taskId: id(1), revision }));
      await new Promise(requestAnimationFrame);
    }
    await vi.waitFor(() => expect(changes).toBe(1));
    running.dispose();
  });
});

describe('the room on the disk', () => {
  const use = { files: 326_400_118, leftovers: 1_000, uploads: 0, state: 40_960 };

  it('is read from a server that says it', () => {
    expect(diskUseOf({ disk: use })).toEqual(use);
    expect(diskUseOf({ disk: { files: 1, later: 2, uploads: 'x' } })).toEqual({
      ...{ files: 1, leftovers: 0, uploads: 0, state: 0 },
    });
    for (const nothing of [null, {}, { disk: null }]) expect(diskUseOf(nothing)).toBeNull();
  });

  it('is said in a word, and in its parts to a pointer', () => {
    const said = diskText(use, exports.words, ENGLISH);
    expect(said?.text).toBe('326.4\u00a0MB used');
    expect(said?.title.split('\n')).toHaveLength(3);
    expect(diskText({ ...use, files: 0, leftovers: 0 }, exports.words, ENGLISH)).toBeNull();
  });

  it('is looked at once for many changes', async () => {
    vi.useFakeTimers();
    try {
      const living = new AbortController();
      let looks = 0;
      const seen: unknown[] = [];
      const look = async () => {
        looks += 1;
        return use;
      };
      const watch = new DiskWatch(look, (value) => seen.push(value), living.signal);
      for (let change = 0; change < 50; change += 1) watch.lookSoon();
      await vi.advanceTimersByTimeAsync(1_500);
      expect([looks, seen]).toEqual([1, [use]]);
      watch.lookSoon();
      living.abort();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(looks).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the preferences', () => {
  it('are as usual where a value is none', () => {
    expect(preferencesOf({})).toEqual(USUAL);
    const strange = { notices: 'no', noticeAfter: -1, order: 'random', statusBar: null };
    expect(preferencesOf(strange)).toEqual(USUAL);
    const own = { notices: false, noticeAfter: 0, noticeHidden: false, statusBar: false };
    expect(preferencesOf({ ...own, running: false, order: 'size' })).toEqual({
      ...{ ...own, running: false, order: 'size' },
    });
  });
});

describe('the text of a schema', () => {
  it('is said anew where a person reads it, and nowhere else', () => {
    const schema = {
      title: 'A',
      description: 'A',
      'jupyter.lab.setting-icon': 'A',
      properties: {
        a: { title: 'A', type: 'A', default: 'A', oneOf: [{ const: 'A', title: 'A' }] },
      },
      definitions: { title: { type: 'A' } },
    };
    expect(sayAnew(schema, (text, context) => `${context} ${text}`)).toEqual({
      title: 'schema A',
      description: 'schema A',
      'jupyter.lab.setting-icon': 'A',
      properties: {
        a: {
          title: 'settings A',
          type: 'A',
          default: 'A',
          oneOf: [{ const: 'A', title: 'settings A' }],
        },
      },
      definitions: { title: { type: 'A' } },
    });
  });
});

describe('in Chinese', () => {
  it('no word of the panel is English', async () => {
    exports.feed.dispose();
    await setUp(CHINESE);
    const panel = show();
    take(...EVERY);
    await vi.waitFor(() => expect(rows(panel)).toHaveLength(7));
    const field = await vi.waitFor(() => fieldOf(panel));
    const own = [...panel.node.querySelectorAll('.pw-states, .pw-export-text')];
    const read = own
      .map(({ textContent }) => textContent?.split('·').slice(0, 1).join(''))
      .join('\n');
    expect(read).not.toMatch(/[A-Za-z]{3}/);
    expect(field.placeholder).toBe('搜索');
  });
});

describe('an end that several pages hear of', () => {
  /** Pages of one browser, with the locks of a real one, and waits that end when the test says. */
  function pages() {
    const waits: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => void waits.push(resolve));
    const take = (hidden: boolean, job = DONE) => takeEnd(job, hidden, navigator.locks, wait);
    return { take, waits };
  }

  it('is told by one of them', async () => {
    const { take, waits } = pages();
    expect(await Promise.all([take(false), take(false)])).toEqual([true, false]);
    expect(await take(false, { ...DONE, generation: 2 })).toBe(true);
    for (const end of waits) end();
  });

  it('is left by a hidden page to one that is looked at', async () => {
    const { take, waits } = pages();
    const hidden = take(true, { ...DONE, generation: 3 });
    expect(await take(false, { ...DONE, generation: 3 })).toBe(true);
    waits[0]?.();
    expect(await hidden).toBe(false);
    for (const end of waits) end();
  });

  it('is told no second time when a page wakes up much later', async () => {
    const kept = new Map<string, string>();
    const told: Told = {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => void kept.set(name, value),
    };
    const now = () => Promise.resolve();
    const take = (generation: number, locks: LockManager | undefined = navigator.locks) =>
      takeEnd({ ...DONE, generation }, false, locks, now, told);
    expect(await take(11)).toBe(true);
    await navigator.locks.request(`progresswidget:end:${DONE.taskId}:11`, () => {});
    expect(await take(11)).toBe(false);
    expect(await takeEnd({ ...DONE, generation: 11 }, false, undefined, now, told)).toBe(false);
    for (let generation = 12; generation < 412; generation += 1) await take(generation);
    expect([...kept.values()].join(' ').split(' ')).toHaveLength(200);
    expect(await take(411)).toBe(false);
    const full: Told = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };
    expect(await takeEnd({ ...DONE, generation: 500 }, false, undefined, now, full)).toBe(true);
  });

  it('is told by each where pages cannot agree', async () => {
    expect(await takeEnd(DONE, true, undefined, () => Promise.reject(new Error('waits')))).toBe(
      true,
    );
  });
});
