import type { INotebookTracker } from '@jupyterlab/notebook';
import { OutputArea, OutputAreaModel } from '@jupyterlab/outputarea';
import { OutputModel, RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { afterEach, expect, inject, it, vi } from 'vitest';
import { sharedChannel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { factoryOf, OutputRenderer, type RendererContext } from '../src/lab/output_renderer';
import { jobFactory, receiptFactory } from '../src/lab/renderer';
import { END_GRACE } from '../src/lab/turns';
import { JOB_MIMETYPE, type JobRecord, RECEIPT_MIMETYPE } from '../src/protocol';
import { channelOf, pageServer } from '../src/server';
import { Network } from './fake_network';
import { CANCELLED, DONE, record, TASK } from './records';

const RESOLVER = {
  resolveUrl: async (url: string) => url,
  getDownloadUrl: async (url: string) => url,
};
const WIDGET_MIMETYPE = 'application/vnd.jupyter.widget-view+json';
type Kept = Record<typeof JOB_MIMETYPE, { snapshot: JobRecord | null }>;

const shown: Widget[] = [];
let number = 0;

afterEach(() => {
  for (const widget of shown.splice(0)) widget.dispose();
});

/** A registry as JupyterLab builds it, with our renderers, and a network in the test's hands. */
function setUp(notebook: { model: object } | null = null) {
  const network = new Network();
  number += 1;
  const server = pageServer(`/${number}/`, inject('origin'));
  sharedChannel(server.base, () => network.environment);
  expect(channelOf(server)).toBe(sharedChannel(server.base, () => network.environment));
  const rendermime = new RenderMimeRegistry({
    initialFactories: standardRendererFactories,
    ...(notebook ? { resolver: RESOLVER } : {}),
  });
  const panel = { ...notebook, content: { rendermime } };
  const notebooks = { find: (fits: (one: object) => boolean) => [panel].find(fits) };
  const context = {
    server,
    messages: messagesFor('en'),
    rendermime,
    notebooks: notebook && (notebooks as unknown as INotebookTracker),
  };
  rendermime.addFactory(jobFactory(context), -20);
  rendermime.addFactory(receiptFactory(), -20);
  return { network, rendermime };
}

function output(snapshot: JobRecord | null, server = true, taskId: string = TASK) {
  return new OutputModel({
    value: {
      output_type: 'display_data',
      data: {
        [JOB_MIMETYPE]: { version: 1, kind: 'export', name: 'flights.csv' },
        [WIDGET_MIMETYPE]: { model_id: 'm' },
        'text/html': '<p>Exporting to flights.csv</p>',
        'text/plain': 'Exporting to flights.csv',
      },
      metadata: { [JOB_MIMETYPE]: { taskId, server, snapshot: snapshot && { ...snapshot } } },
    },
  } as unknown as ConstructorParameters<typeof OutputModel>[0]);
}

async function render(rendermime: RenderMimeRegistry, model: OutputModel) {
  const type = rendermime.preferredMimeType(model.data, 'ensure');
  if (type === undefined) throw new Error('nothing renders this output');
  const widget = rendermime.createRenderer(type);
  await widget.renderModel(model);
  Widget.attach(widget, document.body);
  shown.push(widget);
  return widget;
}

const say = (network: Network, data: JobRecord, seq: number, type: string) =>
  network.wire.say({ type, timestamp: 1, epoch: 'E', from: seq, seq, data });

function subscribed(network: Network, snapshot: JobRecord) {
  network.wire.hello();
  const data = { taskId: snapshot.taskId, recovered: false, snapshot };
  network.wire.say({ type: 'subscribed', re: 1, timestamp: 1, epoch: 'E', seq: 1, data });
}

it('beats the widget view and HTML, in untrusted notebooks too', () => {
  const { rendermime } = setUp();
  rendermime.addFactory(
    { safe: false, mimeTypes: [WIDGET_MIMETYPE], createRenderer: () => new Widget() as never },
    -10,
  );
  const { data } = output(record());
  expect(rendermime.preferredMimeType(data, 'ensure')).toBe(JOB_MIMETYPE);
  expect(rendermime.preferredMimeType(data, 'any')).toBe(JOB_MIMETYPE);
});

it('knows the notebook that it is in, and draws its widgets by no other registry', () => {
  class Probe extends OutputRenderer {
    override async renderModel(): Promise<void> {}

    get where() {
      return [this.panel, this.rendermime];
    }
  }
  const within = new RenderMimeRegistry({ resolver: RESOLVER });
  const beside = new RenderMimeRegistry();
  const panel = { content: { rendermime: within } };
  const context = {
    rendermime: beside,
    notebooks: { find: (fits: (one: object) => boolean) => [panel].find(fits) },
  } as unknown as RendererContext;
  const factory = factoryOf('text/x-probe', (options) => new Probe(context, options));
  expect(factory).toMatchObject({ safe: true, mimeTypes: ['text/x-probe'], defaultRank: -20 });
  const found = [within, beside].map((registry) => {
    registry.addFactory(factory);
    const made = registry.createRenderer('text/x-probe') as Probe;
    shown.push(made);
    return made.where;
  });
  expect(found).toEqual([
    [panel, within],
    [undefined, beside],
  ]);
});

it('draws the bar and keeps it through repeats of the same job', async () => {
  const { network, rendermime } = setUp();
  const model = output(record());
  const widget = await render(rendermime, model);
  subscribed(network, record());
  const bar = widget.node.querySelector('.pw-job');
  expect(bar?.getAttribute('data-state')).toBe('running');
  await widget.renderModel(output(record({ revision: 13 })));
  expect(widget.node.querySelectorAll('.pw-job')).toHaveLength(1);
  expect(widget.node.querySelector('.pw-job')).toBe(bar);
  expect(network.wires).toHaveLength(1);
});

it('draws another bar when the output becomes another job', async () => {
  const { rendermime } = setUp();
  const widget = await render(rendermime, output(record()));
  const bar = widget.node.querySelector('.pw-job');
  await widget.renderModel(output(record(), true, 'f'.repeat(32)));
  expect(widget.node.querySelectorAll('.pw-job')).toHaveLength(1);
  expect(widget.node.querySelector('.pw-job')).not.toBe(bar);
});

it('writes the end into the metadata once, and leaves the data alone', async () => {
  const { network, rendermime } = setUp();
  const model = output(record());
  const data = JSON.stringify(model.data);
  const changed = vi.fn();
  model.changed.connect(changed);
  const widget = await render(rendermime, model);
  subscribed(network, record());
  say(network, DONE, 2, 'task_complete');
  await widget.renderModel(model);
  say(network, { ...DONE, updated: DONE.updated + 1 }, 3, 'task_complete');
  expect(changed).toHaveBeenCalledOnce();
  const saved = model.toJSON();
  expect(saved.metadata).toEqual({
    [JOB_MIMETYPE]: { taskId: TASK, server: true, snapshot: { ...DONE, path: DONE.name } },
  });
  expect(JSON.stringify(saved.data)).toBe(data);
});

it('lets an output get its place before it writes an end that is known already', async () => {
  const { network, rendermime } = setUp();
  await render(rendermime, output(record()));
  subscribed(network, record());
  say(network, DONE, 2, 'task_complete');
  // JupyterLab's own, which looks for the output in its place when the metadata change.
  const area = new OutputArea({ model: new OutputAreaModel({ trusted: true }), rendermime });
  Widget.attach(area, document.body);
  shown.push(area);
  const failed = vi.spyOn(console, 'error');
  area.model.add(output(record()).toJSON());
  await vi.waitFor(() => {
    const { metadata } = area.model.get(0).toJSON();
    expect((metadata as Kept)[JOB_MIMETYPE].snapshot?.status).toBe('done');
  });
  expect(failed).not.toHaveBeenCalled();
  expect(area.widgets).toHaveLength(1);
});

it('writes the end when the page before it does not, whose cell may not be drawn', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const states = new Map([1, 2].map((page) => [page, { progresswidget: true }]));
    const awareness = { clientID: 2, getStates: () => states, setLocalStateField: () => {} };
    const shared = { collaborative: true, sharedModel: { awareness } };
    const { network, rendermime } = setUp({ model: shared });
    const model = output(record());
    await render(rendermime, model);
    subscribed(network, record());
    say(network, DONE, 2, 'task_complete');
    const kept = () => (model.toJSON().metadata as Kept)[JOB_MIMETYPE].snapshot?.status;
    await vi.advanceTimersByTimeAsync(2 * END_GRACE);
    expect(kept()).toBe('running');
    await vi.advanceTimersByTimeAsync(END_GRACE);
    expect(kept()).toBe('done');
  } finally {
    vi.useRealTimers();
  }
});

it('does not touch a notebook that knows the end', async () => {
  const { network, rendermime } = setUp();
  const model = output(DONE);
  const changed = vi.fn();
  model.changed.connect(changed);
  await render(rendermime, model);
  subscribed(network, DONE);
  expect(changed).not.toHaveBeenCalled();
});

it('unsubscribes when it is disposed', async () => {
  const { network, rendermime } = setUp();
  const widget = await render(rendermime, output(record()));
  subscribed(network, record());
  widget.dispose();
  await network.clock.advance(6_000);
  expect(network.wire.closedWith).toBe(1000);
});

it('hands over to the best other view where the kernel found no server', async () => {
  const { network, rendermime } = setUp();
  const widget = await render(rendermime, output(record(), false));
  expect(widget.node.querySelector('.pw-job')).toBeNull();
  expect(widget.node.textContent).toContain('Exporting to flights.csv');
  expect(network.wires).toHaveLength(0);
});

it('hands over to the widget where there are widgets', async () => {
  const { rendermime } = setUp();
  const rendered: unknown[] = [];
  class View extends Widget {
    async renderModel(model: OutputModel) {
      rendered.push(model.data[WIDGET_MIMETYPE]);
    }
  }
  rendermime.addFactory(
    { safe: false, mimeTypes: [WIDGET_MIMETYPE], createRenderer: () => new View() },
    -10,
  );
  const widget = await render(rendermime, output(record(), false));
  expect(rendered).toEqual([{ model_id: 'm' }]);
  // The kernel's update of the same output is the widget's own affair.
  await widget.renderModel(output(record({ revision: 13 }), false));
  expect(rendered).toHaveLength(1);
});

it('does not say "Loading widget…" for ever, and gives the widget its place when it comes', async () => {
  const { rendermime } = setUp();
  const made: Widget[] = [];
  class View extends Widget {
    async renderModel() {
      this.node.textContent = 'Loading widget…';
      made.push(this);
    }
  }
  rendermime.addFactory(
    { safe: false, mimeTypes: [WIDGET_MIMETYPE], createRenderer: () => new View() },
    -10,
  );
  const widget = await render(rendermime, output(record(), false));
  const bar = () => widget.node.querySelector<HTMLElement>('.pw-job');
  await vi.waitFor(() => expect(bar()?.dataset.state).toBe('interrupted'), 4_000);
  expect(made).toHaveLength(2);
  expect(bar()?.querySelectorAll('button:not([hidden], [data-action=details])')).toHaveLength(0);
  expect(made[1]?.isHidden).toBe(true);
  made[1]?.node.replaceChildren(document.createElement('div'));
  await vi.waitFor(() => expect(bar()).toBeNull());
  expect(made[1]?.isHidden).toBe(false);
});

it('shows an end by itself, for which no kernel and no server are needed', async () => {
  const { network, rendermime } = setUp();
  const widget = await render(rendermime, output(CANCELLED, false));
  expect(widget.node.querySelector('.pw-job')?.getAttribute('data-state')).toBe('cancelled');
  expect(network.wires).toHaveLength(0);
});

it('shows the text of an output whose metadata was stripped', async () => {
  const { rendermime } = setUp();
  const widget = await render(rendermime, output(null, true, 'stripped'));
  expect(widget.node.textContent).toContain('Exporting to flights.csv');
});

it('takes no room for the receipt', async () => {
  const { rendermime } = setUp();
  const child = document.createElement('div');
  child.className = 'jp-OutputArea-child';
  child.textContent = 'the prompt and the rest';
  document.body.append(child);
  const widget = rendermime.createRenderer(RECEIPT_MIMETYPE);
  await widget.renderModel(output(DONE));
  Widget.attach(widget, child);
  shown.push(widget);
  expect(child.checkVisibility()).toBe(false);
});
