import { RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { expect, inject, it, vi } from 'vitest';
import { cdp } from 'vitest/browser';
import { Channel, sharedChannel } from '../src/channel/channel';
import { exportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';
import { labWordsOf } from '../src/i18n/lab';
import { Feed } from '../src/jobs/feed';
import type { IExports } from '../src/lab/exports';
import { ExportsPanel } from '../src/lab/panel/widget';
import { USUAL } from '../src/lab/preferences';
import { progressFactory } from '../src/lab/progress_renderer';
import { jobFactory } from '../src/lab/renderer';
import { JOB_MIMETYPE, type JobRecord, PROGRESS_MIMETYPE } from '../src/protocol';
import { pageServer } from '../src/server';
import { inNextFrame } from '../src/view/frame';
import { Network, settle } from './fake_network';
import { GROUP, group, parts } from './parts';
import { record } from './records';

const CYCLES = 1_000;
/** What the test's own page may have more of by itself. */
const OWN = 200;

interface Counters {
  readonly nodes: number;
  readonly jsEventListeners: number;
}

const session = cdp() as unknown as { send(method: string): Promise<unknown> };
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

/** What is held in the page once all that nobody needs has been collected. */
async function held(): Promise<Counters> {
  for (let turn = 0; turn < 3; turn += 1) {
    // What observers have to say of the last cycle comes with a frame.
    await frame();
    await session.send('HeapProfiler.collectGarbage');
  }
  return (await session.send('Memory.getDOMCounters')) as Counters;
}

/** Do something a thousand times, and look at what is left of it. */
async function leavesNothing(cycle: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await cycle(turn);
  const before = await held();
  for (let turn = 0; turn < CYCLES; turn += 1) await cycle(turn);
  const after = await held();
  // One of each cycle would be a thousand.
  expect(after.nodes - before.nodes).toBeLessThan(OWN);
  expect(after.jsEventListeners - before.jsEventListeners).toBeLessThan(OWN);
}

function tell(network: Network, snapshot: JobRecord): void {
  const data = { taskId: snapshot.taskId, recovered: false, snapshot };
  network.wire.say({ type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data });
}

it('a thousand panels leave no node and no listener, and need one connection', async () => {
  const network = new Network();
  const server = pageServer('/', location.origin);
  const feed = new Feed(new Channel(network.environment), inNextFrame);
  const preferencesChanged = new Signal<IExports, void>({} as IExports);
  const exports: IExports = {
    server: { ...server, request: async () => Response.json({}) },
    messages: ENGLISH,
    words: labWordsOf(ENGLISH),
    exporting: exportWords(ENGLISH),
    feed,
    preferences: USUAL,
    preferencesChanged,
  };
  network.wire.hello();
  await settle();
  for (const one of [group(), ...parts()]) tell(network, one);
  const idOf = (index: number) => `f${index.toString(16).padStart(31, '0')}`;
  for (let index = 0; index < 30; index += 1) tell(network, record({ taskId: idOf(index) }));
  const commands = new CommandRegistry();
  await leavesNothing(async (turn) => {
    const panel = new ExportsPanel(exports, commands);
    panel.node.style.cssText = 'display: flex; flex-direction: column; height: 600px';
    Widget.attach(panel, document.body);
    panel.showNotebook(null);
    if (turn % 20 === 0) {
      await vi.waitFor(() => {
        expect(panel.node.querySelectorAll('.pw-export').length).toBeGreaterThan(5);
        expect(panel.node.querySelector('.jp-FilterBox')).not.toBeNull();
      });
    }
    panel.dispose();
  });
  expect(document.querySelector('.pw-exports')).toBeNull();
  expect(network.wires).toHaveLength(1);
  feed.dispose();
}, 120_000);

it('a thousand loops leave no node and no listener, and need one connection', async () => {
  const network = new Network();
  const server = pageServer('/memory/', inject('origin'));
  sharedChannel(server.base, () => network.environment);
  const rendermime = new RenderMimeRegistry({ initialFactories: standardRendererFactories });
  const context = { server, messages: ENGLISH, rendermime, notebooks: null };
  rendermime.addFactory(jobFactory(context), -20);
  rendermime.addFactory(progressFactory(context), -20);
  const outer = { kind: 'task', taskId: GROUP, name: 'epochs', bytes: 0 } as const;
  const inner = { kind: 'task', name: 'batches', parent: GROUP, bytes: 0 } as const;
  const model = (type: string, metadata: object) =>
    ({ data: { [type]: {} }, metadata: { [type]: metadata } }) as unknown as IRenderMime.IMimeModel;
  const job = model(JOB_MIMETYPE, { taskId: GROUP, server: true, snapshot: null });
  const bar = model(PROGRESS_MIMETYPE, { value: 7, max: 10, description: 'Loading' });
  await leavesNothing(async (turn) => {
    const views = [JOB_MIMETYPE, PROGRESS_MIMETYPE].map((type) => rendermime.createRenderer(type));
    await views[0]?.renderModel(job);
    await views[1]?.renderModel(bar);
    for (const view of views) Widget.attach(view, document.body);
    if (network.wire.readyState === 0) network.wire.hello();
    await settle();
    tell(network, record(outer));
    tell(network, record(inner));
    if (turn % 20 === 0) {
      await vi.waitFor(() => {
        expect(views[0]?.node.querySelectorAll('.pw-part-line')).toHaveLength(1);
        expect(views[1]?.node.querySelectorAll('.pw-progress')).toHaveLength(1);
      });
    }
    for (const view of views) view.dispose();
    await settle();
    // What the page has said is kept by the test alone.
    network.wire.sent.length = 0;
  });
  expect(document.querySelector('.pw-job, .pw-progress')).toBeNull();
  expect(network.wires).toHaveLength(1);
  await network.clock.advance(60_000);
  expect(network.clock.pending).toBe(0);
}, 120_000);
