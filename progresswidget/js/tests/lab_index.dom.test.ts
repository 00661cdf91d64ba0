import { RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { ITranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import exportsSchema from '../schema/exports.json';
import filesSchema from '../schema/files.json';
import uploadsSchema from '../schema/uploads.json';
import { ENGLISH } from '../src/i18n';
import { languageOfHost, leaveLanguage } from '../src/i18n/speech';
import plugins from '../src/lab';
import { IExports } from '../src/lab/exports';
import { progressFactory } from '../src/lab/progress_renderer';
import { drawWidget, WIDGET_VIEW } from '../src/lab/widget_view';
import { JOB_MIMETYPE, PROGRESS_MIMETYPE, RECEIPT_MIMETYPE } from '../src/protocol';
import { pageServer } from '../src/server';
import { world } from './lab_world';

afterEach(() => {
  leaveLanguage(null);
  for (const node of document.querySelectorAll('.lm-Widget')) node.remove();
});

describe('the labextension', () => {
  it('is of plugins that start by themselves, each with a name and a description', () => {
    const ids = plugins.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, autoStart, description } of plugins) {
      expect(id).toMatch(/^progresswidget:[a-z-]+$/);
      expect(autoStart).toBe(true);
      expect(description).toMatch(/\.$/);
    }
    // Settings belong to a plugin by its name.
    expect(ids).toEqual(expect.arrayContaining(['progresswidget:exports', 'progresswidget:files']));
    expect([exportsSchema, filesSchema, uploadsSchema].map(({ type }) => type)).toEqual([
      ...['object', 'object', 'object'],
    ]);
  });

  it('needs nothing of JupyterLab but its renderers: all else may be missing', () => {
    const needed = plugins.flatMap(({ requires = [] }) => requires as Token<unknown>[]);
    const names = new Set(needed.map(({ name }) => name));
    expect(needed.every((token) => token instanceof Token)).toBe(true);
    names.delete(IExports.name);
    expect([...names]).toEqual(['@jupyterlab/rendermime:IRenderMimeRegistry']);
  });

  it('draws our outputs before any other view of them, and leaves the language', () => {
    const [renderer] = plugins;
    const rendermime = new RenderMimeRegistry({ initialFactories: standardRendererFactories });
    const translator = { languageCode: 'fr', load: () => ({ __: (text: string) => `«${text}»` }) };
    const { app } = world(`${inject('origin')}/404/none/`);
    const activate = renderer?.activate as (...all: unknown[]) => void;
    activate(app, rendermime, null, translator as unknown as ITranslator);
    for (const type of [JOB_MIMETYPE, PROGRESS_MIMETYPE, RECEIPT_MIMETYPE]) {
      const data = { 'text/html': '', 'text/plain': '', [type]: {} };
      expect(rendermime.preferredMimeType(data, 'ensure')).toBe(type);
    }
    expect(languageOfHost()?.say('x')).toBe('«x»');
  });
});

/** The view of a widget manager, which a test fills. */
class View extends Widget implements IRenderMime.IRenderer {
  static made: View[] = [];

  constructor() {
    super();
    View.made.push(this);
    this.node.textContent = 'Loading widget…';
  }

  async renderModel(): Promise<void> {}

  come(): void {
    this.node.replaceChildren(document.createElement('b'));
  }
}

function withManager() {
  View.made = [];
  const rendermime = new RenderMimeRegistry({ initialFactories: standardRendererFactories });
  const context = {
    server: pageServer('/', location.origin),
    messages: ENGLISH,
    rendermime,
    notebooks: null,
  };
  rendermime.addFactory(progressFactory(context), -20);
  return rendermime;
}

const addManager = (rendermime: RenderMimeRegistry) =>
  rendermime.addFactory(
    { safe: false, mimeTypes: [WIDGET_VIEW], createRenderer: () => new View() },
    -10,
  );

const model = (value: number) =>
  ({
    data: { [WIDGET_VIEW]: { model_id: 'm' }, [PROGRESS_MIMETYPE]: {} },
    metadata: {
      [PROGRESS_MIMETYPE]: { value, min: 0, max: 100, state: 'running', description: 'Files' },
    },
    trusted: true,
    setData: () => {},
  }) as unknown as IRenderMime.IMimeModel;

describe('the output of a loop', () => {
  async function render(rendermime: RenderMimeRegistry, value = 40) {
    const view = rendermime.createRenderer(PROGRESS_MIMETYPE);
    Widget.attach(view, document.body);
    await view.renderModel(model(value));
    const bar = () => view.node.querySelector('[role=progressbar]');
    return { view, bar };
  }

  it('is what the notebook keeps, at once, where there are no widgets', async () => {
    const { view, bar } = await render(withManager());
    expect(bar()?.ariaValueNow).toBe('40');
    await view.renderModel(model(60));
    expect(view.node.querySelectorAll('[role=progressbar]')).toHaveLength(1);
    expect(bar()?.ariaValueNow).toBe('60');
    view.dispose();
    expect(bar()).toBeNull();
  });

  it('is the widget, then what is kept while it does not come, then the widget again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const rendermime = withManager();
      addManager(rendermime);
      const { view, bar } = await render(rendermime);
      expect(bar()).toBeNull();
      vi.advanceTimersByTime(2_000);
      // Made once more before it is given up.
      expect(View.made).toHaveLength(2);
      expect(View.made[0]?.isDisposed).toBe(true);
      expect(bar()?.ariaValueNow).toBe('40');
      expect(View.made[1]?.isHidden).toBe(true);
      View.made[1]?.come();
      await Promise.resolve();
      expect(bar()).toBeNull();
      expect(View.made[1]?.isHidden).toBe(false);
      view.dispose();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a widget that is waited for', () => {
  const place = (rendermime: RenderMimeRegistry, status?: string) => {
    const host = new Widget();
    const kernel = {
      session: { kernel: { status } },
      statusChanged: { connect: vi.fn(), disconnect: vi.fn() },
    };
    return {
      layout: { addWidget: (child: Widget) => Widget.attach(child, document.body) } as never,
      rendermime: () => rendermime,
      kernel: (status === undefined ? undefined : kernel) as never,
      patient: true,
      draw: vi.fn(),
      drop: vi.fn(),
      host,
    };
  };

  it('is waited for as long as its kernel is busy', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const rendermime = withManager();
      addManager(rendermime);
      const busy = place(rendermime, 'busy');
      const end = drawWidget(model(1), busy);
      vi.advanceTimersByTime(60_000);
      expect(busy.draw).not.toHaveBeenCalled();
      end();
      const idle = place(rendermime, 'idle');
      const endIdle = drawWidget(model(1), idle);
      vi.advanceTimersByTime(2_000);
      expect(idle.draw).toHaveBeenCalledOnce();
      endIdle();
    } finally {
      vi.useRealTimers();
    }
  });

  it('is not drawn otherwise once it has come, or nobody waits', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const rendermime = withManager();
      addManager(rendermime);
      const there = place(rendermime);
      const end = drawWidget(model(1), there);
      View.made.at(-1)?.come();
      vi.advanceTimersByTime(60_000);
      end();
      const left = place(rendermime);
      drawWidget(model(1), left)();
      vi.advanceTimersByTime(60_000);
      expect([there.draw.mock.calls, left.draw.mock.calls]).toEqual([[], []]);
    } finally {
      vi.useRealTimers();
    }
  });
});
