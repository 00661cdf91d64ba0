import { afterEach, describe, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { Channel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { Job, type JobOptions } from '../src/job';
import type { JobRecord } from '../src/protocol';
import { pageServer } from '../src/server';
import { linesOf } from '../src/view/parts_view';
import { Network, settle } from './fake_network';
import { GROUP, GROUP_DONE, GROUP_FAILED, group, PARTS_DONE, PARTS_FAILED, parts } from './parts';
import { record } from './records';

const SERVER = pageServer('/', location.origin);
const jobs: Job[] = [];

async function frames(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(requestAnimationFrame);
}

async function show(
  snapshot: JobRecord,
  kept: readonly JobRecord[],
  more: Partial<JobOptions> = {},
): Promise<Job> {
  const job = new Job({
    taskId: GROUP,
    name: 'Monthly close',
    messages: messagesFor('en'),
    snapshot,
    parts: kept,
    server: null,
    comm: () => {},
    ...more,
  });
  jobs.push(job);
  job.attach(document.body);
  job.render();
  await frames();
  return job;
}

const all = (job: Job, selector: string) => [
  ...job.view.element.querySelectorAll<HTMLElement>(selector),
];
const names = (job: Job) => all(job, '.pw-part-name').map((element) => element.textContent);
const toggle = (job: Job) => all(job, '.pw-parts-toggle')[0] as HTMLButtonElement;

afterEach(() => {
  for (const job of jobs.splice(0)) job.dispose();
  document.body.replaceChildren();
});

describe('the lines of a group', () => {
  it('are those that go on or went wrong, and all when it is open', () => {
    const some = parts({ 3: { status: 'failed' } });
    const flat = (records: readonly JobRecord[]) => records.map(({ taskId }) => [taskId, 0]);
    expect([...linesOf(some, false)]).toEqual(flat(some.slice(2)));
    expect([...linesOf([...some].reverse(), true)]).toEqual(flat(some));
  });
});

describe('a group that goes on', () => {
  it.each([
    ['en', 8, '2 of 8 loops'],
    ['en', 1, '1 loop'],
    ['en', null, '2 loops'],
    ['zh', 8, '2 / 8 个循环'],
    ['zh', null, '2 个循环'],
  ] as const)(
    'counts its loops where it makes no files (%s, %s)',
    async (language, total, words) => {
      const loops = group({ unit: 'loop', bytes: 0, rows: Math.min(2, total ?? 2), total });
      const job = await show(loops, [], { messages: messagesFor(language) });
      expect(job.view.element.querySelector('[data-part=rows]')?.textContent).toBe(words);
    },
  );

  it('counts its files, and has a line with a bar for each that is not done', async () => {
    const job = await show(group({ background: true }), parts({ 3: { progress: 99.96 } }));
    const card = job.view.element;
    expect(card.querySelector('.pw-name')?.textContent).toBe('Monthly close');
    expect(card.querySelector('.pw-words')?.textContent).toBe('In progress');
    expect(card.querySelector('[data-part=rows]')?.textContent).toBe('2 of 8 files');
    expect(card.querySelector('[data-part=bytes]')?.textContent).toBe('464.8\u00a0MB');
    expect(card.querySelector('[data-part=rate]')?.textContent).toBe('84.0\u00a0MB/s');
    expect(names(job)).toHaveLength(6);
    const bars = all(job, '.pw-part-line [role=progressbar]');
    expect(bars[0]?.getAttribute('aria-label')).toBe('Export of payables.csv');
    expect(bars[0]?.getAttribute('aria-valuenow')).toBe('61.3');
    // Of what is not done nobody is told that it is.
    expect(bars[1]?.getAttribute('aria-valuenow')).toBe('99.9');
    const buttons = all(job, '.pw-actions button').filter((button) => button.checkVisibility());
    expect(buttons.map(({ dataset }) => dataset.action)).toEqual(['pause', 'cancel', 'details']);
  });

  it('opens and closes by mouse and keyboard, and says so', async () => {
    const job = await show(group(), parts());
    expect(toggle(job).textContent).toBe('Show all 8');
    expect(toggle(job).ariaExpanded).toBe('false');
    const list = document.getElementById(toggle(job).getAttribute('aria-controls') ?? '');
    await userEvent.click(toggle(job));
    await frames();
    expect(toggle(job).ariaExpanded).toBe('true');
    expect(list?.querySelectorAll('[role=listitem]')).toHaveLength(8);
    toggle(job).focus();
    await userEvent.keyboard('{Enter}');
    await frames();
    expect(names(job)).toHaveLength(6);
  });

  it('of one part alone offers no "all"', async () => {
    const [only] = parts();
    const job = await show(group({ total: 1 }), [{ ...(only as JobRecord), status: 'done' }]);
    expect(toggle(job).textContent).toBe('Show 1 part');
  });

  it('with five hundred parts has few of them in the page', async () => {
    const many = Array.from({ length: 500 }, (_, index) =>
      record({ taskId: index.toString(16).padStart(32, '0'), parent: GROUP, created: index }),
    );
    const job = await show(group({ total: 500 }), many);
    expect(names(job).length).toBeLessThan(20);
    const list = all(job, '.pw-list')[0];
    expect(list?.getBoundingClientRect().height).toBe(240);
    expect(list?.querySelector('[role=listitem]')?.getAttribute('aria-setsize')).toBe('500');
  });
});

describe('a group that has ended', () => {
  it('is folded into what it came to', async () => {
    const job = await show(GROUP_DONE, PARTS_DONE);
    expect(job.view.element.querySelector('.pw-numbers')?.textContent).toContain('8 files');
    expect(job.view.element.querySelector('[data-part=bytes]')?.textContent).toBe('3.2\u00a0GB');
    expect(names(job)).toEqual([]);
    expect(toggle(job).checkVisibility()).toBe(true);
  });

  it('keeps in sight what failed, and why', async () => {
    const job = await show(GROUP_FAILED, PARTS_FAILED);
    expect(names(job)).toEqual(['payroll.xlsx']);
    expect(all(job, '.pw-part-note')[0]?.textContent).toContain('CSV has no lists');
    expect(job.view.element.querySelector<HTMLElement>('.pw-note')?.hidden).toBe(true);
  });
});

describe('a group of which nobody hears', () => {
  const states = (job: Job) => all(job, '.pw-part-line').map(({ dataset }) => dataset.state);
  const tone = (line: HTMLElement | undefined) =>
    line && getComputedStyle(line).getPropertyValue('--pw-tone');

  it('has parts that are as old, and grey', async () => {
    let kernel = true;
    const job = await show(group(), parts(), { hasKernel: () => kernel });
    const line = () => all(job, '.pw-part-line')[0];
    const alive = tone(line());
    kernel = false;
    job.render();
    await frames();
    expect(line()?.dataset).toMatchObject({ state: 'running', stale: 'true' });
    expect(tone(line())).not.toBe(alive);
    expect(tone(line())).toBe(tone(job.view.element));
  });

  it('has parts that were interrupted, where it had ended and they had not', async () => {
    const job = await show(GROUP_FAILED, parts(), { comm: null });
    expect(new Set(states(job))).toEqual(new Set(['interrupted']));
    expect(all(job, '.pw-part-line .pw-part-note').every(({ hidden }) => hidden)).toBe(true);
  });

  it('has no files to be had, and interrupted parts, where the server does not know it', async () => {
    const network = new Network();
    const job = await show(group(), parts(), { comm: null, server: SERVER });
    job.follow(new Channel(network.environment));
    network.wire.hello();
    await settle();
    const data = { code: 'task-not-found', message: '', temporary: false, taskId: GROUP };
    network.wire.say({ type: 'error', re: 1, timestamp: 1, data });
    await frames();
    await userEvent.click(toggle(job));
    await frames();
    expect(new Set(states(job))).toEqual(new Set(['done', 'interrupted']));
    expect(all(job, '.pw-part-line button').some((button) => button.checkVisibility())).toBe(false);
  });
});

it('a download of a part that fails is told in the group', async () => {
  const job = await show(GROUP_DONE, PARTS_DONE, { server: SERVER });
  await userEvent.click(toggle(job));
  await frames();
  all(job, '.pw-part-line button')[0]?.click();
  await vi.waitFor(() =>
    expect(all(job, '.pw-note')[0]?.textContent).toContain('The file was replaced or deleted'),
  );
});

describe('a group on the channel', () => {
  const event = (changed: JobRecord, seq: number, type = 'progress_update') => ({
    type,
    timestamp: 1,
    epoch: 'E',
    from: seq,
    seq,
    data: changed,
  });
  const snapshot = (known: JobRecord, re: number | null) => ({
    type: 'subscribed',
    re,
    timestamp: 1,
    epoch: 'E',
    seq: 1,
    data: { taskId: known.taskId, recovered: false, snapshot: known },
  });

  it('hears of parts as they come, and keeps all of them at its end', async () => {
    const network = new Network();
    const channel = new Channel(network.environment);
    const ends: (readonly JobRecord[])[] = [];
    const job = await show(group({ rows: 0 }), [], {
      comm: null,
      onEnd: (_, known) => void ends.push(known),
    });
    job.follow(channel);
    network.wire.hello();
    await settle();
    network.wire.say(snapshot(group({ rows: 0 }), 1));
    await settle();
    expect(network.wire.sent.at(-1)?.data).toEqual({ parent: GROUP });
    const [one, two] = PARTS_DONE as [JobRecord, JobRecord];
    network.wire.say(snapshot(one, null));
    network.wire.say(snapshot({ ...two, status: 'running', ended: null }, null));
    await frames();
    expect(names(job)).toEqual(['receivables.csv']);
    network.wire.say(event({ ...GROUP_DONE, total: 2, rows: 2 }, 2, 'task_complete'));
    network.wire.say(event({ ...two, updated: two.updated + 1 }, 2, 'task_complete'));
    await frames();
    // The last part was heard of after the group: it is not lost.
    expect(ends.at(-1)?.map(({ name, status }) => [name, status])).toEqual([
      ['general ledger.parquet', 'done'],
      ['receivables.csv', 'done'],
    ]);
    job.dispose();
    expect(network.wire.sent.at(-1)).toMatchObject({
      type: 'unsubscribe',
      data: { parent: GROUP },
    });
  });
});
