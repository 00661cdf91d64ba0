import { afterEach, expect, inject, it, vi } from 'vitest';
import widget from '../src/widget';
import { DONE, record, TASK } from './records';

type Context = Parameters<typeof widget.render>[0];
type Change = () => void;

/** What anywidget gives to `render`: traits, their changes, and messages to the kernel. */
class Model {
  readonly sent: unknown[] = [];
  readonly listeners = new Set<Change>();
  readonly #traits: Record<string, unknown>;

  constructor(traits: Record<string, unknown>) {
    this.#traits = { task_id: TASK, server: false, background: true, ...traits };
  }

  get(name: string): unknown {
    return this.#traits[name];
  }

  set(name: string, value: unknown): void {
    this.#traits[name] = value;
    for (const run of [...this.listeners]) run();
  }

  on(name: string, run: Change): void {
    expect(name).toBe('change:snapshot');
    this.listeners.add(run);
  }

  off(_name: string, run: Change): void {
    this.listeners.delete(run);
  }

  send(message: unknown): void {
    this.sent.push(message);
  }
}

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
  const model = new Model({ snapshot: record({ background: true }) });
  const el = render(model);
  expect(state(el)).toEqual(['running', 'comm']);
  el.querySelector<HTMLElement>('[data-action=cancel]')?.click();
  expect(model.sent).toEqual([{ action: 'cancel' }]);
  model.set('snapshot', DONE);
  expect(state(el)).toEqual(['done', 'comm']);
});

it('offers no button that a blocked kernel would not hear', () => {
  const el = render(new Model({ snapshot: record({ background: false }) }));
  expect(el.querySelector('button:not([hidden])')).toBeNull();
  expect(el.textContent).toContain('Stop with the notebook’s ■ button');
});

it('waits for the first snapshot', () => {
  const model = new Model({ snapshot: {} });
  const el = render(model);
  expect(state(el)).toEqual(['queued', 'comm']);
  model.set('snapshot', record());
  expect(state(el)).toEqual(['running', 'comm']);
});

it('goes by the comm in a page without Jupyter, whatever the kernel found', async () => {
  const el = render(new Model({ server: true, snapshot: record() }));
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
  const el = render(new Model({ server: true, snapshot: DONE }));
  await vi.waitFor(() => expect(state(el)[1]).toBe('connecting'));
});

it('goes by the comm where the server does not know the job', async () => {
  configure(`${inject('origin')}/404/not-found/`);
  const el = render(new Model({ server: true, snapshot: record() }));
  await vi.waitFor(() => expect(state(el)).toEqual(['running', 'comm']));
});

it('draws nothing for a model without a job', () => {
  expect(render(new Model({ task_id: '' })).childElementCount).toBe(0);
});

it.each(['the function', 'the signal'])('leaves nothing behind after %s', (by) => {
  const living = new AbortController();
  const model = new Model({ snapshot: record() });
  const el = render(model, living.signal);
  expect(model.listeners.size).toBe(1);
  if (by === 'the function') end?.();
  else living.abort();
  expect(model.listeners.size).toBe(0);
  expect(el.querySelector('.pw-job')).toBeNull();
});
