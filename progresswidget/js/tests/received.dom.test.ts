import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Channel } from '../src/channel/channel';
import { messagesFor } from '../src/i18n';
import { Job } from '../src/job';
import type { TransferRecord } from '../src/protocol';
import { pageServer } from '../src/server';
import { ReceivedBar } from '../src/view/received';
import { Network } from './fake_network';
import { DONE, TASK } from './records';

function transfer(changes: Partial<TransferRecord> = {}): TransferRecord {
  return {
    userId: 'alice',
    fileId: `${TASK}/${DONE.generation}`,
    offset: 2_500_000,
    timestamp: 1712000000000,
    received: 2_500_000,
    size: 10_000_000,
    name: 'flights.csv',
    direction: 'download',
    taskId: TASK,
    active: true,
    complete: false,
    ...changes,
  };
}

const END = { active: false, complete: true, offset: 10_000_000, received: 10_000_000 };

describe('the thin bar', () => {
  const words = (bar: ReceivedBar) => bar.element.textContent;
  const track = (bar: ReceivedBar) =>
    bar.element.querySelector('[role=progressbar]') as HTMLElement;

  it('says how much has been received, also to whoever cannot see it', () => {
    const bar = new ReceivedBar(messagesFor('en'));
    bar.update(transfer());
    expect(words(bar)).toBe('Received 2.5\u00a0MB of 10.0\u00a0MB');
    expect(track(bar).getAttribute('aria-valuenow')).toBe('25');
    expect(track(bar).getAttribute('aria-label')).toBe('Download of flights.csv');
    expect(track(bar).getAttribute('aria-valuetext')).toBe(words(bar));
    expect((track(bar).firstElementChild as HTMLElement).style.width).toBe('25%');
  });

  it('ends with words, and leaves no bar behind', () => {
    const bar = new ReceivedBar(messagesFor('en'));
    bar.update(transfer(END));
    expect(words(bar)).toBe('Received, 10.0\u00a0MB');
    expect(track(bar).hidden).toBe(true);
    bar.update(transfer({ active: false }));
    expect(words(bar)).toBe('Download stopped at 2.5\u00a0MB of 10.0\u00a0MB');
    expect(track(bar).hidden).toBe(false);
  });

  it('without a length there are only bytes', () => {
    const bar = new ReceivedBar(messagesFor('en'));
    bar.update(transfer({ size: null }));
    expect(words(bar)).toBe('Received 2.5\u00a0MB');
    expect(track(bar).hidden).toBe(true);
    expect(track(bar).hasAttribute('aria-valuenow')).toBe(false);
  });

  it('speaks Chinese', () => {
    const bar = new ReceivedBar(messagesFor('zh'));
    bar.update(transfer());
    expect(words(bar)).toBe('已接收 2.5\u00a0MB / 10.0\u00a0MB');
    bar.update(transfer(END));
    expect(words(bar)).toBe('已全部接收，10.0\u00a0MB');
  });
});

describe('in the card of a job', () => {
  let network: Network;
  let channel: Channel;
  let jobs: Job[];

  function mount(): () => Element | null {
    const job = new Job({
      taskId: TASK,
      name: 'flights.csv',
      messages: messagesFor('en'),
      snapshot: DONE,
      server: pageServer('/', location.origin),
      comm: null,
    });
    job.attach(document.body);
    job.follow(channel);
    jobs.push(job);
    return () => job.view.element.querySelector('.pw-received');
  }

  const tell = (record: TransferRecord) =>
    network.wire.say({ type: 'transfer_update', timestamp: 1, data: record });

  beforeEach(() => {
    network = new Network();
    channel = new Channel(network.environment);
    jobs = [];
  });
  afterEach(() => {
    for (const job of jobs) job.dispose();
  });

  it('appears while something downloads the file, for bars that come later too', () => {
    const first = mount();
    network.wire.hello();
    expect(first()).toBeNull();
    tell(transfer());
    expect(first()).not.toBeNull();
    expect(mount()()).not.toBeNull();
    tell(transfer(END));
    expect(first()?.textContent).toContain('Received');
    expect(mount()()).toBeNull();
  });

  it('shows nothing of another file, of an older one, of an upload', () => {
    const bar = mount();
    network.wire.hello();
    tell(transfer({ taskId: 'f'.repeat(32) }));
    tell(transfer({ fileId: `${TASK}/0` }));
    tell(transfer({ direction: 'upload' }));
    tell(transfer({ taskId: null, fileId: 'contents/flights.csv' }));
    expect(bar()).toBeNull();
  });
});
