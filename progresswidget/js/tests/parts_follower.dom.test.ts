import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { Channel, sharedChannel } from '../src/channel/channel';
import { followJob } from '../src/follower';
import { ENGLISH } from '../src/i18n';
import { Parts } from '../src/parts';
import type { JobRecord } from '../src/protocol';
import { pageServer } from '../src/server';
import type { JobModel } from '../src/traits';
import { Network, settle } from './fake_network';
import { GROUP, GROUP_DONE, group, PARTS_DONE, parts } from './parts';
import { DONE, record, TASK } from './records';

const config = document.createElement('script');
config.id = 'jupyter-config-data';
config.type = 'application/json';

afterEach(() => {
  config.remove();
  document.body.replaceChildren();
});

describe('the parts of a group', () => {
  function shown(onEnd = vi.fn()) {
    const made = new Parts({ messages: ENGLISH, name: 'Close', download: null, onEnd });
    document.body.append(made.view.element);
    const states = () =>
      [...made.view.element.querySelectorAll<HTMLElement>('.pw-part-line')].map(
        ({ dataset }) => dataset.state,
      );
    return { made, states, onEnd };
  }

  it('are known in the order in which they began, the newer state of each', () => {
    const { made } = shown();
    const all = parts();
    made.keep([...all].reverse());
    made.keep([{ ...(all[0] as JobRecord), revision: 1, status: 'running' }]);
    expect(made.records.map(({ name }) => name)).toEqual(all.map(({ name }) => name));
    expect(made.records[0]?.status).toBe('done');
    made.dispose();
  });

  it('that ran when their group was lost are interrupted: the group says why', async () => {
    const { made, states } = shown();
    made.keep(parts());
    made.stand(group(), { kind: 'live' }, false);
    await vi.waitFor(() => expect(states()).toContain('running'));
    made.stand(group(), { kind: 'offline', reason: 'absent' }, true);
    await vi.waitFor(() => expect(new Set(states())).toEqual(new Set(['interrupted'])));
    made.dispose();
  });

  it('are asked for at the server, unless the notebook has the end of each', async () => {
    const network = new Network();
    const channel = new Channel(network.environment);
    const { made } = shown();
    made.keep(PARTS_DONE);
    made.follow(channel, GROUP_DONE);
    expect(network.wires).toHaveLength(0);
    const { made: other, onEnd } = shown();
    other.follow(channel, group());
    network.wire.hello();
    await settle();
    const snapshot = { ...DONE, parent: GROUP };
    const data = { taskId: TASK, recovered: false, snapshot };
    network.wire.say({ type: 'subscribed', re: null, timestamp: 1, epoch: 'E', seq: 1, data });
    expect(other.records.map(({ taskId }) => taskId)).toEqual([TASK]);
    expect(onEnd).toHaveBeenCalledOnce();
    made.dispose();
    other.dispose();
  });
});

describe('the traits of a widget', () => {
  function modelOf(traits: Record<string, unknown>) {
    const written: string[] = [];
    const listeners = new Map<string, () => void>();
    const model = {
      get: (name: string) => traits[name],
      set: (name: string, value: unknown) => {
        traits[name] = value;
        written.push(name);
      },
      on: (event: string, run: () => void) => void listeners.set(event, run),
      off: (event: string) => void listeners.delete(event),
    };
    return { model: model as unknown as JobModel, traits, written, listeners };
  }
  const traitsOf = (changes: Record<string, unknown> = {}) => ({
    ...{ task_id: TASK, server: true, snapshot: record(), state: 'running', value: 0 },
    ...{ max: null, percent: null, rate: null, eta: null, ...changes },
  });

  it('follow the server without a kernel, value and state last', async () => {
    config.textContent = JSON.stringify({ baseUrl: `${inject('origin')}/200/job/` });
    document.body.append(config);
    const network = new Network();
    const server = pageServer(`${inject('origin')}/200/job/`, location.href);
    sharedChannel(server.base, () => network.environment);
    const { model, traits, written } = modelOf(traitsOf());
    const living = new AbortController();
    followJob(model, living.signal);
    await vi.waitFor(() => expect(network.wires).toHaveLength(1));
    network.wire.hello();
    await settle();
    written.length = 0;
    const data = { taskId: TASK, recovered: false, snapshot: DONE };
    network.wire.say({ type: 'subscribed', re: 1, timestamp: 1, epoch: 'E', seq: 1, data });
    await vi.waitFor(() => expect(traits.state).toBe('done'));
    expect(traits).toMatchObject({ value: DONE.rows, max: DONE.total, percent: 100, rate: null });
    expect(written.slice(-2)).toEqual(['value', 'state']);
    living.abort();
  });

  it.each([
    ['a page without a server', traitsOf()],
    ['a job that no server has', traitsOf({ server: false })],
    ['the widget of an output, which has none', traitsOf({ state: undefined })],
  ])('are left alone: %s', (_, traits) => {
    const { model, written, listeners } = modelOf(traits);
    followJob(model, new AbortController().signal);
    expect([written, listeners.size]).toEqual([[], 0]);
  });
});
