import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { Job } from '../src/job';
import type { JobRecord } from '../src/protocol';
import { isInView } from '../src/view/in_view';
import { Network, settle } from './fake_network';
import { record } from './records';

const COUNT = 500;
const idOf = (index: number) => index.toString(16).padStart(32, '0');

/** What is counted is work, and no time: the same on every machine. */
describe('five hundred bars on one page', () => {
  let network: Network;
  let jobs: Job[] = [];
  let changed = new Set<Element>();
  let watch: MutationObserver;
  const timers = vi.spyOn(window, 'setInterval');
  const frames = vi.spyOn(window, 'requestAnimationFrame');

  const frame = async () => {
    for (let turn = 0; turn < 2; turn += 1) await new Promise(requestAnimationFrame);
  };
  const cardOf = (node: Node) =>
    (node instanceof Element ? node : node.parentElement)?.closest('.pw-job');

  async function collect(): Promise<void> {
    await frame();
    for (const { target } of watch.takeRecords()) {
      const card = cardOf(target);
      if (card) changed.add(card);
    }
  }

  beforeEach(async () => {
    network = new Network();
    const channel = new Channel(network.environment);
    for (let index = 0; index < COUNT; index += 1) {
      const host = document.createElement('div');
      host.style.height = '120px';
      document.body.append(host);
      const job = new Job({
        taskId: idOf(index),
        name: '',
        messages: messagesFor('en'),
        snapshot: null,
        server: null,
        comm: null,
      });
      job.attach(host);
      job.follow(channel);
      jobs.push(job);
    }
    network.wire.hello();
    await settle();
    for (let index = 0; index < COUNT; index += 1) {
      const data = { taskId: idOf(index), recovered: false, snapshot: at(index, 10) };
      network.wire.say({ type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data });
    }
    scrollTo(0, 0);
    const last = jobs.at(-1)?.view.element as HTMLElement;
    await vi.waitFor(() => expect(isInView(last)).toBe(false));
    await frame();
    changed = new Set();
    watch = new MutationObserver((changes) => {
      for (const { target } of changes) {
        const card = cardOf(target);
        if (card) changed.add(card);
      }
    });
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    watch.observe(document.body, all);
  });

  afterEach(() => {
    watch.disconnect();
    for (const job of jobs.splice(0)) job.dispose();
    jobs = [];
    document.body.replaceChildren();
  });

  /** Paused ones have no clock, which would draw by itself. */
  const at = (index: number, progress: number, status: JobRecord['status'] = 'paused') =>
    record({ taskId: idOf(index), status, progress, revision: progress });

  function say(index: number, progress: number, seq: number, status?: JobRecord['status']): void {
    const data = at(index, progress, status);
    const type = status === 'done' ? 'task_complete' : 'progress_update';
    network.wire.say({ type, timestamp: 1, epoch: 'E', from: seq, seq, data });
  }

  const bar = (index: number) =>
    jobs[index]?.view.element.querySelector('[role=progressbar]')?.ariaValueNow;

  it('draw those in view only, and once a frame', async () => {
    frames.mockClear();
    for (let seq = 2; seq <= 21; seq += 1) {
      for (let index = 0; index < COUNT; index += 1) say(index, 10 + seq, seq);
    }
    expect(frames.mock.calls.length).toBe(1);
    expect(bar(0)).toBe('10');
    await collect();
    const seen = jobs.filter(({ view }) => changed.has(view.element));
    const room = Math.ceil((innerHeight + 400) / 120) + 1;
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThanOrEqual(room);
    expect(changed.size).toBe(seen.length);
    expect(bar(0)).toBe('31');
    expect(bar(COUNT - 1)).toBe('10');
  });

  it('are right when they are scrolled to', async () => {
    say(COUNT - 1, 77, 2);
    await frame();
    expect(bar(COUNT - 1)).toBe('10');
    jobs.at(-1)?.view.element.scrollIntoView();
    await vi.waitFor(() => expect(bar(COUNT - 1)).toBe('77'));
  });

  it('touch few nodes for an update of one, and none for the same again', async () => {
    let count = 0;
    const counting = new MutationObserver((changes) => {
      count += changes.length;
    });
    counting.observe(document.body, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
    say(0, 12, 2);
    await vi.waitFor(() => expect(count).toBeGreaterThan(0));
    expect(count).toBeLessThan(12);
    count = 0;
    say(0, 12, 3);
    await frame();
    expect(count).toBe(0);
    counting.disconnect();
  });

  it('tell an end at once, in view or not: somebody may listen to it', () => {
    say(COUNT - 1, 100, 2, 'done');
    expect(jobs.at(-1)?.view.element.dataset.state).toBe('done');
  });

  it('have one clock, and none when they have ended', async () => {
    timers.mockClear();
    const stops = vi.spyOn(window, 'clearInterval');
    for (let index = 0; index < COUNT; index += 1) say(index, 10, 2, 'running');
    expect(timers.mock.calls.length).toBe(1);
    for (let index = 0; index < COUNT; index += 1) say(index, 100, 3, 'done');
    expect(timers.mock.calls.length).toBe(1);
    expect(stops).toHaveBeenCalledTimes(1);
  });

  it('have one connection', () => {
    expect(network.wires).toHaveLength(1);
  });
});
