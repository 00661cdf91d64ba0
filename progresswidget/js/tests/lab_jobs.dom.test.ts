import { Notification } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { Channel } from '../src/channel/channel';
import { exportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';
import { LAB_ENGLISH } from '../src/i18n/lab';
import { Feed } from '../src/jobs/feed';
import type { IExports } from '../src/lab/exports';
import { ICONS, JOB, jobCommands } from '../src/lab/job_commands';
import { notices } from '../src/lab/notices';
import { panel } from '../src/lab/panel';
import { Empty } from '../src/lab/panel/empty';
import { ExportRow } from '../src/lab/panel/row';
import { SortButton } from '../src/lab/panel/sort';
import { adoptPanelStyle } from '../src/lab/panel/style';
import { USUAL } from '../src/lab/preferences';
import type { JobRecord } from '../src/protocol';
import { pageServer } from '../src/server';
import { inNextFrame } from '../src/view/frame';
import { Network, settle } from './fake_network';
import { press, said, type World, world } from './lab_world';
import { DONE, FAILED, record } from './records';

let network: Network;
let exports: IExports;
let all: World;
let commands: CommandRegistry;
let asked: string[];
let answer: () => Response;

beforeEach(async () => {
  network = new Network();
  asked = [];
  answer = () => Response.json({});
  exports = {
    server: {
      ...pageServer('/', location.origin),
      request: async (url, init) => {
        asked.push(`${init.method ?? 'GET'} ${new URL(url).pathname}`);
        return answer();
      },
    },
    messages: ENGLISH,
    words: LAB_ENGLISH,
    exporting: exportWords(ENGLISH),
    feed: new Feed(new Channel(network.environment), inNextFrame),
    preferences: { ...USUAL, noticeAfter: 0 },
    preferencesChanged: new Signal({} as IExports),
  };
  all = world(`${location.origin}/`);
  commands = all.commands;
  network.wire.hello();
  await settle();
});

afterEach(() => {
  exports.feed.dispose();
  for (const node of document.querySelectorAll('.lm-Widget')) node.remove();
});

function take(...jobs: JobRecord[]): void {
  for (const snapshot of jobs) {
    const data = { taskId: snapshot.taskId, recovered: false, snapshot };
    network.wire.say({ type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data });
  }
}

describe('the commands of a job', () => {
  const run = (choice: string) => commands.execute(JOB, { choice, taskId: record().taskId });
  const isVisible = (choice: string) =>
    commands.isVisible(JOB, { choice, taskId: record().taskId });

  beforeEach(() => jobCommands.activate(all.app, exports, null));

  it('are those that are open for it, each with its word and its icon', () => {
    take(record());
    expect([isVisible('pause'), isVisible('cancel'), isVisible('resume')]).toEqual([
      ...[true, true, false],
    ]);
    expect(commands.label(JOB, { choice: 'pause' })).toBe(LAB_ENGLISH.choice.pause);
    expect(commands.icon(JOB, { choice: 'pause' })).toBe(ICONS.pause);
    expect(commands.isVisible(JOB, { choice: 'nonsense', taskId: record().taskId })).toBe(false);
    expect(commands.isVisible(JOB, { choice: 'pause', taskId: 'f'.repeat(32) })).toBe(false);
  });

  it('ask the server, whose answer counts at once', async () => {
    take(record());
    answer = () => Response.json(record({ revision: 13, status: 'paused' }));
    await run('pause');
    expect(asked).toEqual([`POST /progresswidget/api/jobs/${record().taskId}`]);
    expect(exports.feed.records.get(record().taskId)?.status).toBe('paused');
  });

  it('forget what has ended, also what the server has forgotten before', async () => {
    take(DONE);
    answer = () => new Response(null, { status: 404 });
    await run('forget');
    expect(asked).toEqual([`DELETE /progresswidget/api/jobs/${DONE.taskId}`]);
    expect(exports.feed.records.get(DONE.taskId)).toBeUndefined();
  });

  it('say in words what the server has against it', async () => {
    take(DONE);
    answer = () => new Response(null, { status: 500 });
    const done = run('forget');
    expect(await said()).toBe(ENGLISH.failure.refused);
    await press(LAB_ENGLISH.close);
    await done;
    expect(exports.feed.records.get(DONE.taskId)).toBeDefined();
  });

  it('do nothing for a job that is not there', async () => {
    await run('cancel');
    expect(asked).toEqual([]);
  });
});

describe('the notices', () => {
  const told = () => Notification.manager.notifications;

  afterEach(() => Notification.manager.dismiss());

  it('tell of an end, with what can be done about it', async () => {
    const taskId = 'a'.repeat(32);
    const executed: unknown[] = [];
    commands.addCommand('progresswidget:open', { execute: (args) => void executed.push(args) });
    notices.activate(all.app, exports);
    take(record({ taskId }));
    network.wire.say({
      ...{ type: 'task_complete', timestamp: 1, epoch: 'E', from: 2, seq: 2 },
      data: { ...FAILED, taskId, revision: 99 },
    });
    const notice = await vi.waitFor(() => {
      const [first] = told();
      if (!first) throw new Error('nothing told yet');
      return first;
    });
    expect(notice.type).toBe('error');
    expect(notice.message).toContain('flights.csv');
    expect(notice.message).toContain(FAILED.error?.message);
    // What went wrong stays until somebody has seen it.
    expect(notice.options.autoClose).toBe(false);
    notice.options.actions?.[0]?.callback(new MouseEvent('click'));
    expect(executed).toEqual([{ taskId }]);
  });

  it('do not tell of what had ended before', async () => {
    notices.activate(all.app, exports);
    take({ ...DONE, taskId: 'b'.repeat(32) });
    await settle();
    expect(told()).toHaveLength(0);
  });
});

describe('the commands of the panel', () => {
  beforeEach(() => {
    commands.addCommand(JOB, { execute: () => {} });
    panel.activate(all.app, exports, null, null, null);
  });

  const enabled = (name: string) => commands.isEnabled(`progresswidget:${name}`);

  it('can be given where there is something for them to do', () => {
    const names = ['open', 'notebook', 'pauseAll', 'resumeAll', 'clear'];
    expect(names.map(enabled)).toEqual([true, false, false, false, false]);
    take(record());
    expect(names.map(enabled)).toEqual([true, false, true, false, false]);
    take(DONE);
    expect(enabled('clear')).toBe(true);
  });

  it('pause all that can be paused, each for itself', async () => {
    const ids = ['1', '2', '3'].map((digit) => digit.repeat(32));
    take(...ids.map((taskId) => record({ taskId })));
    let turn = 0;
    answer = () => {
      turn += 1;
      if (turn === 2) return new Response(null, { status: 500 });
      const taskId = ids[turn - 1] ?? '';
      return Response.json(record({ taskId, revision: 13, pending: 'pause' }));
    };
    await commands.execute('progresswidget:pauseAll');
    expect(asked).toHaveLength(3);
    const pending = ids.map((taskId) => exports.feed.records.get(taskId)?.pending);
    expect(pending).toEqual(['pause', null, 'pause']);
  });

  it('open the panel in the left area', async () => {
    const [view] = all.shell.add.mock.calls[0] as [Widget];
    await commands.execute('progresswidget:open');
    expect(all.shell.activateById).toHaveBeenCalledExactlyOnceWith(view.id);
    view.dispose();
  });
});

describe('what stands in the place of an empty list', () => {
  it('says why, and leads out of it', () => {
    const living = new AbortController();
    const empty = new Empty(living.signal);
    expect(empty.element.hidden).toBe(true);
    const run = vi.fn();
    empty.show({ title: 'Nothing', hint: 'Try', code: 'x', action: { label: 'All', run } });
    const button = empty.element.querySelector('button');
    button?.click();
    expect(run).toHaveBeenCalledOnce();
    empty.show({ title: 'Loading' });
    button?.click();
    expect(run).toHaveBeenCalledOnce();
    const seen = [...empty.element.children].filter((child) => !(child as HTMLElement).hidden);
    expect(seen.map(({ textContent }) => textContent)).toEqual(['Loading']);
  });
});

describe('a row of the panel', () => {
  it('asks for what its buttons say, and keeps the keyboard when one goes', () => {
    take(record());
    const executed: unknown[] = [];
    const folds = { isOpen: () => null, depthOf: () => 0, flip: vi.fn() };
    commands.addCommand(JOB, { execute: (args) => void executed.push(args) });
    const row = new ExportRow(record().taskId, exports, commands, folds);
    row.element.tabIndex = -1;
    document.body.append(row.element);
    row.update();
    const button = (choice: string) =>
      row.element.querySelector<HTMLButtonElement>(`[data-choice=${choice}]`);
    expect(button('pause')?.ariaLabel).toBe(`${LAB_ENGLISH.choice.pause} flights.csv`);
    row.press();
    expect(document.activeElement).toBe(button('pause'));
    button('pause')?.click();
    expect(executed).toEqual([{ choice: 'pause', taskId: record().taskId }]);
    exports.feed.records.put(record({ revision: 14, pending: 'cancel' }));
    row.update();
    expect(button('pause')).toBeNull();
    expect(document.activeElement).toBe(row.element);
    row.dispose();
    row.element.remove();
  });
});

describe('the button that sorts', () => {
  it('has a menu with the order that is set, and sets another', async () => {
    const sorted = { order: 'newest' as const, sortBy: vi.fn() };
    const button = new SortButton(sorted, LAB_ENGLISH);
    Widget.attach(button, document.body);
    const click = await vi.waitFor(() => {
      const inner = button.node.querySelector<HTMLElement>('jp-button, button');
      if (!inner) throw new Error('not drawn yet');
      return inner;
    });
    click.click();
    const items = await vi.waitFor(() => {
      const found = [...document.querySelectorAll<HTMLElement>('.lm-Menu-item')];
      if (found.length < 4) throw new Error('no menu yet');
      return found;
    });
    expect(items.map((item) => item.querySelector('.lm-Menu-itemLabel')?.textContent)).toEqual(
      ['newest', 'name', 'size', 'state'].map(
        (order) => LAB_ENGLISH.order[order as keyof typeof LAB_ENGLISH.order],
      ),
    );
    expect(items.map((item) => item.classList.contains('lm-mod-toggled'))).toEqual([
      ...[true, false, false, false],
    ]);
    await userEvent.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    await vi.waitFor(() => expect(sorted.sortBy).toHaveBeenCalledExactlyOnceWith('name'));
    button.dispose();
  });
});

describe('the style of the panel', () => {
  it('is given to a page once', () => {
    const before = document.adoptedStyleSheets.length;
    adoptPanelStyle(document.body);
    adoptPanelStyle(document.body);
    expect(document.adoptedStyleSheets.length - before).toBeLessThanOrEqual(1);
    const rules = document.adoptedStyleSheets.flatMap(({ cssRules }) => [...cssRules]);
    expect(rules.some(({ cssText }) => cssText.includes('.pw-exports'))).toBe(true);
  });
});
