import { afterEach, expect, it, vi } from 'vitest';
import again from '../src/again';

type Context = Parameters<typeof again.render>[0];

/** The code of a widget that says which of its modules has drawn it. */
const CODE = `
globalThis.modules = (globalThis.modules ?? 0) + 1;
const module = globalThis.modules;
export default {
  initialize: ({ model }) => model.said.push('initialized'),
  render: ({ el }) => {
    el.textContent = 'module ' + module;
    return () => el.remove();
  },
};
`;

type Told = (content: { code?: string }) => void;

function context(id: string, models: Map<string, string>, signal?: AbortSignal) {
  const said: string[] = [];
  const asked: unknown[] = [];
  const listeners = new Set<Told>();
  const model = {
    said,
    asked,
    listeners,
    get: () => id,
    on: (_: string, told: Told) => listeners.add(told),
    off: (_: string, told: Told) => listeners.delete(told),
    send: (content: unknown) => asked.push(content),
    widget_manager: {
      get_model: async (wanted: string) => {
        const code = models.get(wanted);
        if (code === undefined) throw new Error('no such model');
        return { get: () => code };
      },
    },
  };
  const el = document.createElement('div');
  return { model, el, ...(signal ? { signal } : {}) } as unknown as Context & {
    model: typeof model;
  };
}

afterEach(() => document.body.replaceChildren());

it('draws with the code of the first one, which is loaded once', async () => {
  const models = new Map([['first', CODE]]);
  const [one, other] = [context('first', models), context('first', models)];
  await again.initialize(one);
  const end = await again.render(one);
  await again.render(other);
  expect(one.model.said).toEqual(['initialized']);
  expect([one.el.textContent, other.el.textContent]).toEqual(['module 1', 'module 1']);
  document.body.append(one.el);
  end?.();
  expect(one.el.isConnected).toBe(false);
});

it('waits for the first one, which a page may make later, and can be drawn once it is there', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const models = new Map<string, string>();
  const late = context('late', models);
  const drawn = again.render(late);
  await vi.advanceTimersByTimeAsync(1_000);
  models.set('late', CODE);
  await vi.advanceTimersByTimeAsync(100);
  vi.useRealTimers();
  await drawn;
  expect(late.el.textContent).toMatch('module');
});

it('gives up in the end, and tries anew with the next view', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const models = new Map<string, string>();
  const never = context('never', models);
  const failed = expect(again.render(never)).rejects.toThrow('The kernel has not sent the code.');
  await vi.advanceTimersByTimeAsync(40_000);
  expect(never.model.listeners.size).toBe(0);
  vi.useRealTimers();
  await failed;
  models.set('never', CODE);
  await again.render(never);
  expect(never.el.textContent).toMatch('module');
});

it('asks the kernel on a page that does not know the first one', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const apart = context('apart', new Map());
  const drawn = again.render(apart);
  await vi.advanceTimersByTimeAsync(10_000);
  vi.useRealTimers();
  expect(apart.model.asked).toEqual([{ ask: 'code' }]);
  for (const told of apart.model.listeners) {
    told({});
    told({ code: CODE });
  }
  await drawn;
  expect(apart.el.textContent).toMatch('module');
  expect(apart.model.listeners.size).toBe(0);
});

it('draws nothing for a view that has gone meanwhile', async () => {
  const gone = context('first', new Map([['first', CODE]]), AbortSignal.abort());
  await again.render(gone);
  expect(gone.el.textContent).toBe('');
});
