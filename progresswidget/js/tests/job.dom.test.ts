import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Channel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { Job, type JobOptions } from '../src/job';
import { newest, orphan } from '../src/known';
import type { Action, JobRecord } from '../src/protocol';
import { pageServer } from '../src/server';
import { Network } from './fake_network';
import { DONE, INTERRUPTED, record, TASK } from './records';

let network: Network;
let ends: JobRecord[];
let sent: Action[];
let job: Job;

function mount(options: Partial<JobOptions> = {}): DOMStringMap {
  job = new Job({
    taskId: TASK,
    name: 'flights.csv',
    messages: messagesFor('en'),
    snapshot: null,
    server: pageServer('/', location.origin),
    comm: null,
    onEnd: (record) => ends.push(record),
    ...options,
  });
  job.attach(document.body);
  return job.view.element.dataset;
}

function follow(): void {
  job.follow(new Channel(network.environment));
}

const say = (data: JobRecord, seq: number, type = 'progress_update') =>
  network.wire.say({ type, timestamp: 1, epoch: 'E', from: seq, seq, data });
const subscribed = (snapshot: JobRecord, seq = 1) =>
  network.wire.say({
    type: 'subscribed',
    re: 1,
    timestamp: 1,
    epoch: 'E',
    seq,
    data: { taskId: TASK, recovered: false, snapshot },
  });
const unknown = () =>
  network.wire.say({
    type: 'error',
    re: 1,
    timestamp: 1,
    data: { code: 'task-not-found', message: '', temporary: false, taskId: TASK },
  });

beforeEach(() => {
  network = new Network();
  ends = [];
  sent = [];
});
afterEach(() => job.dispose());

describe('with a server', () => {
  it('a snapshot that ran on is not shown before the server has confirmed it', () => {
    const data = mount({ snapshot: record() });
    follow();
    expect(data).toMatchObject({ state: 'queued', connection: 'connecting', blank: 'true' });
    network.wire.hello();
    subscribed(record({ revision: 40, progress: 80 }));
    expect(data).toMatchObject({ state: 'running', connection: 'live', blank: 'false' });
  });

  it('a snapshot of the end is shown at once', () => {
    const data = mount({ snapshot: DONE });
    follow();
    expect(data).toMatchObject({ state: 'done', connection: 'connecting', blank: 'false' });
  });

  it('tells the end once, whoever repeats it', () => {
    mount();
    follow();
    network.wire.hello();
    subscribed(record());
    expect(ends).toEqual([]);
    say(DONE, 2, 'task_complete');
    job.setSnapshot(DONE);
    say(DONE, 3, 'task_complete');
    expect(ends).toEqual([DONE]);
  });

  it('tells a second end after the job came back', () => {
    const data = mount();
    follow();
    network.wire.hello();
    subscribed(INTERRUPTED);
    say(record({ revision: 20 }), 2);
    expect(data.state).toBe('running');
    say(DONE, 3, 'task_complete');
    expect(ends.map(({ status }) => status)).toEqual(['interrupted', 'done']);
  });

  it('tells the same end of another run', () => {
    mount({ snapshot: DONE });
    follow();
    network.wire.hello();
    subscribed(DONE);
    const again = { ...DONE, generation: 2 };
    say(again, 2, 'task_complete');
    expect(ends).toEqual([DONE, again]);
  });

  it('that does not know a job which ran on: it was interrupted, and nothing is written back', () => {
    const data = mount({ snapshot: record() });
    follow();
    network.wire.hello();
    unknown();
    expect(data.state).toBe('interrupted');
    expect(job.view.element.textContent).toContain('This server does not know this job');
    expect(ends).toEqual([]);
  });

  it('that does not know a job which had ended: the notebook does', () => {
    const data = mount({ snapshot: DONE });
    follow();
    network.wire.hello();
    unknown();
    expect(data.state).toBe('done');
  });

  it('without the extension knows no jobs at all', async () => {
    network.health = 'absent';
    const data = mount({ snapshot: record() });
    follow();
    network.wire.break(1006);
    await network.clock.advance(0);
    expect(data).toMatchObject({ state: 'interrupted', connection: 'offline' });
  });

  it('that cannot be reached leaves what the notebook knows, as old', async () => {
    const data = mount({ snapshot: record() });
    follow();
    for (let round = 0; round < 6; round += 1) {
      network.wire.break(1006);
      await network.clock.advance(10_000);
    }
    expect(data).toMatchObject({ state: 'running', connection: 'offline', stale: 'true' });
  });

  it('gives way to a later word of the kernel, and keeps what only it knows', () => {
    const data = mount();
    follow();
    network.wire.hello();
    subscribed(record());
    job.setSnapshot({ ...DONE, url: null });
    expect(data.state).toBe('done');
    expect(newest(record(), { ...DONE, url: null })?.url).toBe(record().url);
  });
});

describe('over the comm', () => {
  const comm = (action: Action) => void sent.push(action);

  it('lives on the snapshots of the kernel', () => {
    const data = mount({ server: null, comm, snapshot: record({ background: true }) });
    job.render();
    expect(data).toMatchObject({ state: 'running', connection: 'comm', stale: 'false' });
    job.setSnapshot(DONE);
    expect(data.state).toBe('done');
    expect(job.view.element.querySelector('[data-action=download]:not([hidden])')).toBeNull();
  });

  it('asks the kernel', () => {
    mount({ server: null, comm, snapshot: record({ background: true }) });
    job.render();
    job.view.element.querySelector<HTMLElement>('[data-action=pause]')?.click();
    expect(sent).toEqual(['pause']);
  });

  it('takes over with what the kernel says while the server is being looked for', async () => {
    const data = mount({ comm, snapshot: record() });
    follow();
    network.wire.hello();
    subscribed(record());
    network.wire.break(1006);
    expect(data.connection).toBe('reconnecting');
    job.setSnapshot(record({ revision: 50, progress: 90 }));
    expect(data).toMatchObject({ connection: 'comm', stale: 'false' });
    await network.clock.advance(10_000);
    expect(data.connection).toBe('comm');
    network.wire.hello();
    subscribed(record({ revision: 51, progress: 91 }));
    expect(data.connection).toBe('live');
  });

  it('says that a state is a saved one where the kernel is gone too', () => {
    let kernel = true;
    const data = mount({
      server: null,
      comm,
      hasKernel: () => kernel,
      snapshot: record({ background: true }),
    });
    job.render();
    expect(data).toMatchObject({ connection: 'comm', stale: 'false' });
    kernel = false;
    job.render();
    expect(data).toMatchObject({ state: 'running', connection: 'saved', stale: 'true' });
    expect(job.view.element.textContent).toContain('Saved state, no kernel');
    expect(
      job.view.element.querySelector('button:not([hidden], [data-action=details])'),
    ).toBeNull();
    job.setSnapshot(DONE);
    expect(data.state).toBe('done');
    expect(job.view.element.textContent).not.toContain('Saved state, no kernel');
  });

  it('takes over from a server that is lost, and gives back', async () => {
    const data = mount({ comm, snapshot: record() });
    follow();
    network.wire.hello();
    subscribed(record());
    expect(data.connection).toBe('live');
    network.wire.break(4500);
    expect(data.connection).toBe('comm');
    job.setSnapshot(record({ revision: 50, progress: 90 }));
    expect(job.view.element.querySelector('[role=progressbar]')?.ariaValueNow).toBe('90');
  });

  it('takes over from a server that does not know the job', () => {
    const data = mount({ comm, snapshot: record() });
    follow();
    network.wire.hello();
    unknown();
    expect(data).toMatchObject({ state: 'running', connection: 'comm' });
  });
});

describe('two states of a job', () => {
  it('are compared by revision; the server is right where they are equal', () => {
    const server = { ...INTERRUPTED, revision: 12 };
    expect(newest(server, record({ revision: 12 }))).toBe(server);
    expect(newest(server, record({ revision: 13 }))?.status).toBe('running');
    expect(newest(null, DONE)).toBe(DONE);
    expect(newest(DONE, null)).toBe(DONE);
    expect(newest(null, null)).toBeNull();
  });

  it('of two runs are those of the later run, whose revisions begin anew', () => {
    const again = record({ generation: 2, revision: 1 });
    expect(newest(again, DONE)).toBe(again);
    expect(newest(DONE, { ...again, url: null })).toMatchObject({ status: 'running', url: null });
  });

  it('an orphan has ended, and promises nothing', () => {
    expect(orphan(record({ pending: 'pause' }))).toMatchObject({
      status: 'interrupted',
      pending: null,
      eta: null,
      rate: null,
    });
  });
});
