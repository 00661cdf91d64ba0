/**
 * A page with very many bars, for `tests/benchmarks/page.py` and for the tests of what is left
 * behind: real jobs on a real channel, whose other end is in the hands of whoever drives the page.
 */

import { Channel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { Job } from '../src/job';
import { EVERYTHING } from '../src/jobs/query';
import { Records } from '../src/jobs/records';
import { Selection } from '../src/jobs/selection';
import type { JobRecord } from '../src/protocol';
import { inNextFrame } from '../src/view/frame';
import { PartLine } from '../src/view/part_line';
import { adoptStyle } from '../src/view/stylesheet';
import { VirtualList } from '../src/view/virtual_list';
import { Network, settle } from '../tests/fake_network';
import { GROUP, group, parts } from '../tests/parts';
import { record } from '../tests/records';

const messages = messagesFor('en');
const main = document.querySelector('main') as HTMLElement;
const idOf = (index: number) => index.toString(16).padStart(32, '0');

/** Milliseconds of script, of each message and of the frames that follow from it. */
let spent = 0;
/** Frames in which something was drawn. */
let drawn = 0;
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (run) =>
  ask((time) => {
    const start = performance.now();
    run(time);
    spent += performance.now() - start;
    drawn += 1;
  });

class Bars {
  readonly network = new Network();
  readonly channel = new Channel(this.network.environment);
  readonly jobs: Job[] = [];
  readonly #seqs: number[] = [];

  /** Show jobs one below the other, as the cells of a notebook do. */
  async show(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const host = document.createElement('div');
      host.style.minHeight = '120px';
      main.append(host);
      const job = new Job({
        taskId: idOf(index),
        name: `${index}.csv`,
        messages,
        snapshot: null,
        server: null,
        comm: null,
      });
      job.attach(host);
      job.follow(this.channel);
      this.jobs.push(job);
      this.#seqs.push(1);
    }
    this.network.wire.hello();
    await settle();
    for (let index = 0; index < count; index += 1) this.network.wire.say(this.#snapshot(index));
  }

  /** Let one job go on, and return the milliseconds of the message alone. */
  update(index: number, progress: number): number {
    const seq = (this.#seqs[index] ?? 0) + 1;
    this.#seqs[index] = seq;
    const data = {
      ...this.#record(index),
      progress,
      revision: seq,
      rows: Math.round(progress * 1e4),
    };
    const frame = { type: 'progress_update', timestamp: 1, epoch: 'E', from: seq, seq, data };
    const start = performance.now();
    this.network.wire.say(frame);
    return performance.now() - start;
  }

  end(): void {
    for (const job of this.jobs) job.dispose();
    main.replaceChildren();
  }

  #record(index: number): JobRecord {
    return record({ taskId: idOf(index), name: `${index}.csv`, background: true });
  }

  #snapshot(index: number): object {
    const data = { taskId: idOf(index), recovered: false, snapshot: this.#record(index) };
    return { type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data };
  }
}

class Rows {
  readonly #records = new Records(inNextFrame);
  readonly #selection = new Selection(this.#records, EVERYTHING, 'en');
  readonly #living = new AbortController();
  readonly list = new VirtualList({
    label: 'Exports',
    estimate: 24,
    create: (key) =>
      new PartLine({
        messages,
        read: () => this.#records.get(key),
        connection: () => ({ kind: 'live' }),
        download: () => null,
      }),
  });

  show(count: number): void {
    const card = document.createElement('div');
    card.className = 'pw-job';
    card.style.height = '600px';
    card.append(this.list.element);
    main.append(card);
    adoptStyle(card);
    this.#records.follow((changed) => {
      const { rearranged, rows } = this.#selection.apply(changed);
      if (rearranged) this.list.arrange(this.#selection.keys);
      this.list.refresh(rows);
    }, this.#living.signal);
    for (let index = 0; index < count; index += 1) {
      this.#records.put(record({ taskId: idOf(index), created: index }));
    }
  }

  update(index: number, progress: number, turn: number): number {
    const start = performance.now();
    this.#records.put(
      record({ taskId: idOf(index), created: index, progress, updated: 2e12 + turn }),
    );
    return performance.now() - start;
  }

  end(): void {
    this.#living.abort();
    this.list.dispose();
    main.replaceChildren();
  }
}

const frame = () => new Promise((resolve) => ask(resolve));

interface Measured {
  /** Milliseconds of script for each update, its frame included. */
  readonly times: readonly number[];
  readonly frames: number;
  /** Changes of the page. */
  readonly touched: number;
}

/** Make updates at a pace, spread over all bars, and measure each with the frame that draws it. */
async function measure(
  count: number,
  updates: number,
  pause: number,
  update: (index: number, progress: number, turn: number) => number,
): Promise<Measured> {
  let touched = 0;
  const watch = new MutationObserver((changes) => {
    touched += changes.length;
  });
  watch.observe(main, { subtree: true, childList: true, attributes: true, characterData: true });
  const times: number[] = [];
  drawn = 0;
  for (let turn = 0; turn < updates; turn += 1) {
    spent = 0;
    // 617 shares no factor with the counts: every bar has its turn.
    const message = update((turn * 617) % count, 5 + (90 * turn) / updates, turn);
    await frame();
    await frame();
    times.push(message + spent);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  watch.disconnect();
  return { times, frames: drawn, touched };
}

/** Put everything that there is into the page, let it live for a moment, and take it away. */
async function cycle(times: number): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) {
    const bars = new Bars();
    await bars.show(2);
    bars.update(0, 50);
    const job = new Job({
      taskId: GROUP,
      name: 'group',
      messages,
      snapshot: group(),
      parts: parts(),
      server: null,
      comm: () => {},
    });
    job.attach(main);
    job.render();
    const rows = new Rows();
    rows.show(30);
    if (turn % 10 === 0) await frame();
    bars.update(1, 60);
    job.dispose();
    rows.end();
    bars.end();
    // A channel that nobody needs hangs up after a while.
    await bars.network.clock.advance(60_000);
    if (bars.network.wire.closedWith === null) throw new Error('a connection was left open');
    if (bars.network.clock.pending > 0) throw new Error('a timer of the channel was left');
    if (bars.network.wakeListeners.size > 0) throw new Error('the channel still listens');
  }
}

Object.assign(window, {
  bench: {
    async bars(count: number, updates: number, pause: number) {
      const bars = new Bars();
      await bars.show(count);
      await frame();
      await frame();
      const measured = await measure(count, updates, pause, (at, to) => bars.update(at, to));
      bars.end();
      return measured;
    },
    async rows(count: number, updates: number, pause: number) {
      const rows = new Rows();
      rows.show(count);
      await frame();
      await frame();
      const measured = await measure(count, updates, pause, (...at) => rows.update(...at));
      rows.end();
      return measured;
    },
    cycle,
  },
});
