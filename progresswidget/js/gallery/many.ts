/**
 * A page with very many bars, for the tests of what is left behind: real jobs on a real channel,
 * whose other end is in the hands of whoever drives the page.
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

  /** Let one job go on. */
  update(index: number, progress: number): void {
    const seq = (this.#seqs[index] ?? 0) + 1;
    this.#seqs[index] = seq;
    const data = {
      ...this.#record(index),
      progress,
      revision: seq,
      rows: Math.round(progress * 1e4),
    };
    const frame = { type: 'progress_update', timestamp: 1, epoch: 'E', from: seq, seq, data };
    this.network.wire.say(frame);
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

  end(): void {
    this.#living.abort();
    this.list.dispose();
    main.replaceChildren();
  }
}

const frame = () => new Promise(requestAnimationFrame);

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

Object.assign(window, { bench: { cycle } });
