import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { sharedChannel } from '../src/channel/channel';
import { pageServer } from '../src/server';
import widget from '../src/widget';
import { Network } from './fake_network';
import { DONE, record, TASK } from './records';

type Context = Parameters<typeof widget.render>[0];
type Run = () => void;

/** What anywidget gives to `render`: traits, their changes, and messages to the kernel. */
class Model {
  readonly sent: unknown[] = [];
  readonly listeners: [string, Run][] = [];
  readonly #traits: Record<string, unknown>;

  constructor(traits: Record<string, unknown>) {
    this.#traits = traits;
  }

  get(name: string): unknown {
    return this.#traits[name];
  }

  set(name: string, value: unknown): void {
    if (this.#traits[name] === value) return;
    this.#traits[name] = value;
    this.trigger(`change:${name}`);
  }

  trigger(event: string): void {
    for (const [name, run] of [...this.listeners]) if (name === event) run();
  }

  on(event: string, run: Run): void {
    this.listeners.push([event, run]);
  }

  off(event: string, run: Run): void {
    const index = this.listeners.findIndex(([name, other]) => name === event && other === run);
    if (index >= 0) this.listeners.splice(index, 1);
  }

  send(message: unknown): void {
    this.sent.push(message);
  }
}

const jobModel = (traits: Record<string, unknown>) =>
  new Model({ task_id: TASK, server: false, background: true, ...traits });

let end: (() => void) | undefined;

function render(model: Model, signal?: AbortSignal): HTMLElement {
  const el = document.createElement('div');
  document.body.append(el);
  const context = { model, el, ...(signal ? { signal } : {}) };
  end = widget.render(context as unknown as Context);
  return el;
}

const state = (el: HTMLElement) => {
  const { state, connection } = el.querySelector<HTMLElement>('.pw-job')?.dataset ?? {};
  return [state, connection];
};

afterEach(() => {
  end?.();
  document.body.replaceChildren();
});

it('lives on the comm where the kernel found no server', () => {
  const model = jobModel({ snapshot: record({ background: true }) });
  const el = render(model);
  expect(state(el)).toEqual(['running', 'comm']);
  el.querySelector<HTMLElement>('[data-action=cancel]')?.click();
  expect(model.sent).toEqual([]);
  // Closing the page ends the moment in which it could be taken back.
  window.dispatchEvent(new Event('pagehide'));
  expect(model.sent).toEqual([{ action: 'cancel' }]);
  model.set('snapshot', DONE);
  expect(state(el)).toEqual(['done', 'comm']);
});

it('offers no button that a blocked kernel would not hear', () => {
  const el = render(jobModel({ snapshot: record({ background: false }) }));
  expect(el.querySelector('button:not([hidden], [data-action=details])')).toBeNull();
  expect(el.textContent).toContain('Stop with the notebook’s ■ button');
});

it('waits for the first snapshot', () => {
  const model = jobModel({ snapshot: {} });
  const el = render(model);
  expect(state(el)).toEqual(['queued', 'comm']);
  model.set('snapshot', record());
  expect(state(el)).toEqual(['running', 'comm']);
});

it('goes by the comm in a page without Jupyter, whatever the kernel found', async () => {
  const el = render(jobModel({ server: true, snapshot: record() }));
  await vi.waitFor(() => expect(state(el)).toEqual(['running', 'comm']));
});

function configure(baseUrl: string): void {
  const script = document.createElement('script');
  script.id = 'jupyter-config-data';
  script.type = 'application/json';
  script.textContent = JSON.stringify({ baseUrl });
  document.body.append(script);
}

it('follows the server where it knows the job', async () => {
  configure(`${inject('origin')}/200/job/`);
  const el = render(jobModel({ server: true, snapshot: DONE }));
  await vi.waitFor(() => expect(state(el)[1]).toBe('connecting'));
});

it('goes by the comm where the server does not know the job', async () => {
  configure(`${inject('origin')}/404/not-found/`);
  const el = render(jobModel({ server: true, snapshot: record() }));
  await vi.waitFor(() => expect(state(el)).toEqual(['running', 'comm']));
});

it('draws nothing for a model without a job', () => {
  expect(render(jobModel({ task_id: '' })).childElementCount).toBe(0);
});

it.each(['the function', 'the signal'])('leaves nothing behind after %s', (by) => {
  const living = new AbortController();
  const model = jobModel({ snapshot: record() });
  const el = render(model, living.signal);
  expect(model.listeners).not.toEqual([]);
  if (by === 'the function') end?.();
  else living.abort();
  expect(model.listeners).toEqual([]);
  expect(el.querySelector('.pw-job')).toBeNull();
});

describe('an ExportWidget', () => {
  const exportModel = (traits: Record<string, unknown>) =>
    jobModel({
      ...{ value: 0, max: null, percent: null, rate: null, eta: null, state: 'queued' },
      ...{ description: '', bar_style: '', snapshot: record(), ...traits },
    });

  it('shows its description and colour, and follows both', () => {
    const model = exportModel({ description: 'Flights of a year', bar_style: 'danger' });
    const el = render(model);
    const card = el.querySelector<HTMLElement>('.pw-job');
    expect(card?.textContent).toContain('Flights of a year');
    expect(card?.dataset.barStyle).toBe('danger');
    model.set('description', '');
    model.set('bar_style', '');
    expect(card?.textContent).toContain('flights.csv');
    expect(card?.dataset.barStyle).toBe('');
  });

  it('says when its kernel is gone, and when there is one again', () => {
    const model = exportModel({});
    const el = render(model);
    expect(state(el)).toEqual(['running', 'comm']);
    el.classList.add('jupyter-widgets-disconnected');
    model.trigger('comm_live_update');
    expect(state(el)).toEqual(['running', 'saved']);
    el.classList.remove('jupyter-widgets-disconnected');
    model.trigger('comm_live_update');
    expect(state(el)).toEqual(['running', 'comm']);
  });

  it('has its traits from the server without a view, and tells the kernel nothing', async () => {
    const base = `${inject('origin')}/200/job/linked/`;
    configure(base);
    const network = new Network();
    sharedChannel(pageServer(base, location.origin).base, () => network.environment);
    const living = new AbortController();
    const model = exportModel({ server: true, snapshot: record({ revision: 1 }) });
    const seen: [unknown, unknown][] = [];
    model.on('change:value', () => seen.push([model.get('value'), model.get('max')]));
    const context = { model, signal: living.signal };
    widget.initialize(context as unknown as Parameters<typeof widget.initialize>[0]);
    await vi.waitFor(() => expect(network.wires).toHaveLength(1));
    network.wire.hello();
    const data = { taskId: TASK, recovered: false, snapshot: record({ rows: 7, total: 9 }) };
    network.wire.say({ type: 'subscribed', re: 1, timestamp: 1, epoch: 'E', seq: 1, data });
    expect(model.get('value')).toBe(7);
    expect(model.get('percent')).toBe(42.4);
    // Who listens to the value finds the others up to date.
    expect(seen).toEqual([[7, 9]]);

    // A message of the kernel that is older than the server's is put right at once.
    model.set('value', 3);
    model.set('snapshot', record({ revision: 2, rows: 3 }));
    expect(model.get('value')).toBe(7);

    network.wire.say({
      ...{ type: 'task_complete', timestamp: 2, epoch: 'E', from: 2, seq: 2, data: DONE },
    });
    expect([model.get('state'), model.get('percent')]).toEqual(['done', 100]);
    expect(model.sent).toEqual([]);
    living.abort();
    const others = model.listeners.filter(([name]) => name !== 'change:value');
    expect(others).toEqual([]);
  });

  it('leaves the traits to the kernel in a page without Jupyter', () => {
    const model = exportModel({ server: true });
    widget.initialize({ model } as unknown as Parameters<typeof widget.initialize>[0])();
    expect(model.listeners).toEqual([]);
    expect(model.get('value')).toBe(0);
  });
});

describe('a ProgressWidget', () => {
  const progressModel = (traits: Record<string, unknown>) =>
    new Model({
      ...{ value: 0, min: 0, max: 100, state: 'running', description: '', bar_style: '' },
      ...{ orientation: 'horizontal', rate: null, eta: null, elapsed: 0, ...traits },
    });

  it('follows its traits, and draws once for those of one message', async () => {
    const model = progressModel({ description: 'Loading' });
    const el = render(model);
    const bar = el.querySelector('[role=progressbar]');
    expect(bar?.ariaValueNow).toBe('0');
    expect(bar?.ariaLabel).toBe('Loading');
    model.set('rate', 2);
    model.set('eta', 25);
    model.set('value', 50);
    await vi.waitFor(() => expect(bar?.ariaValueNow).toBe('50'));
    expect(el.textContent).toMatch(/50%.*50 of 100.*2\/s.*25.s left/);
    model.set('max', null);
    await vi.waitFor(() => expect(bar?.hasAttribute('aria-valuenow')).toBe(false));
  });

  it('has a description as wide as somebody asks for', async () => {
    const model = progressModel({ description: 'A rather long description of it' });
    const el = render(model);
    el.style.width = '500px';
    const label = el.querySelector<HTMLElement>('.pw-progress-label');
    const width = () => label?.getBoundingClientRect().width ?? 0;
    const own = width();
    for (const [asked, seen] of [
      ['50px', 50],
      ['nonsense', own],
      ['initial', own],
    ] as const) {
      model.set('description_width', asked);
      await vi.waitFor(() => expect(width()).toBeCloseTo(seen, 0));
    }
    model.set('description', 'x');
    await vi.waitFor(() => expect(width()).toBeLessThan(20));
    model.set('description_width', '');
    await vi.waitFor(() => expect(width()).toBe(80));
  });

  it('tells no rate once its kernel is gone, and keeps what was reached', async () => {
    const model = progressModel({ value: 50, rate: 2, eta: 25 });
    const el = render(model);
    el.classList.add('jupyter-widgets-disconnected');
    model.trigger('comm_live_update');
    await vi.waitFor(() => expect(el.textContent).not.toContain('left'));
    expect(el.textContent).toContain('50 of 100');
  });

  it('takes a kernel for gone that has told a rate and says nothing more', async () => {
    vi.useFakeTimers();
    try {
      const model = progressModel({ value: 50, rate: 2, eta: 25 });
      const el = render(model);
      const live = () => el.querySelector<HTMLElement>('.pw-progress')?.dataset.live;
      await vi.advanceTimersByTimeAsync(9_000);
      model.set('elapsed', 9);
      await vi.advanceTimersByTimeAsync(9_000);
      expect(live()).toBe('true');
      await vi.advanceTimersByTimeAsync(3_000);
      expect(live()).toBe('false');
      model.set('elapsed', 21);
      await vi.advanceTimersByTimeAsync(1);
      expect(live()).toBe('true');
      end?.();
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves nothing behind', () => {
    const model = progressModel({});
    const el = render(model);
    end?.();
    expect(model.listeners).toEqual([]);
    expect(el.childElementCount).toBe(0);
  });
});

it('draws nothing for a model of another kind', () => {
  expect(render(new Model({ value: 'text' })).childElementCount).toBe(0);
});
