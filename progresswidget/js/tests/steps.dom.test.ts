import { afterEach, describe, expect, it } from 'vitest';
import { messagesFor } from '../src/i18n';
import { Job } from '../src/job';
import type { JobRecord } from '../src/protocol';
import { decodeRecord } from '../src/record';
import { Steps } from '../src/steps';
import { exportText } from '../src/view/export_text';
import { stepsOf } from '../src/view/step_records';
import { DELIVERED, delivery, SENDING, UNDONE, WITHDRAWN } from './deliveries';
import { INTERRUPTED, TASK } from './records';

const jobs: Job[] = [];
const english = messagesFor('en');

async function frames(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(requestAnimationFrame);
}

async function show(snapshot: JobRecord, language = 'en'): Promise<Job> {
  const job = new Job({
    taskId: TASK,
    name: snapshot.name,
    messages: messagesFor(language),
    snapshot,
    server: null,
    comm: () => {},
  });
  jobs.push(job);
  job.attach(document.body);
  job.render();
  await frames();
  return job;
}

const all = (job: Job, selector: string) =>
  [...job.view.element.querySelectorAll<HTMLElement>(selector)].filter((each) =>
    each.checkVisibility(),
  );
const lines = (job: Job) =>
  all(job, '.pw-part-line').map((line) =>
    ['.pw-part-name', '.pw-part-words']
      .map((part) => line.querySelector(part)?.textContent)
      .join(': ')
      .replaceAll('\u00a0', ' '),
  );
const toggle = (job: Job) => all(job, '.pw-parts-toggle')[0];

afterEach(() => {
  for (const job of jobs.splice(0)) job.dispose();
  document.body.replaceChildren();
});

describe('the steps of a delivery', () => {
  it('that goes on are the one at work and those to come, and all when asked for', async () => {
    const job = await show(SENDING);
    expect(lines(job)).toEqual(['Send: Sending · 42%', 'Publish: Waiting']);
    const bar = all(job, '.pw-part-line [role=progressbar]')[0];
    expect(bar?.getAttribute('aria-label')).toBe('Progress of Send');
    expect(bar?.getAttribute('aria-valuenow')).toBe('42.4');
    expect(toggle(job)?.textContent).toBe('Show all 3 steps');
    toggle(job)?.click();
    await frames();
    expect(lines(job)).toEqual(['Write: Done', 'Send: Sending · 42%', 'Publish: Waiting']);
    expect(all(job, '[aria-label="Steps of flights.csv"]')).toHaveLength(1);
  });

  it('are folded when it is done, as soon as it is', async () => {
    const job = await show(SENDING);
    job.setSnapshot(DELIVERED);
    await frames();
    expect(lines(job)).toEqual([]);
    toggle(job)?.click();
    await frames();
    expect(lines(job)).toEqual(['Write: Done', 'Send: Done', 'Publish: Done']);
    // The file is where it was sent to: there is nothing to be fetched here.
    expect(all(job, '.pw-part-line button')).toEqual([]);
  });

  it('say in words that they were undone, and leave in sight what went wrong', async () => {
    const job = await show(UNDONE);
    expect(lines(job)).toEqual(['Publish: Failed']);
    expect(toggle(job)?.textContent).toBe('Show all 3 steps, 2 undone');
    toggle(job)?.click();
    await frames();
    expect(lines(job)).toEqual(['Write: Undone', 'Send: Undone', 'Publish: Failed']);
  });

  it('are said in Chinese, too', async () => {
    const job = await show(UNDONE, 'zh');
    expect(lines(job)).toEqual(['发布: 失败']);
    expect(toggle(job)?.textContent).toBe('显示全部 3 个步骤，2 个已撤销');
  });

  it('are shown on their way back', async () => {
    const job = await show(delivery(['done', 'undoing', 'failed']));
    expect(lines(job)).toEqual(['Send: Undoing', 'Publish: Failed']);
    expect(job.view.element.querySelector('.pw-words')?.textContent).toBe('Undoing');
  });

  it('do nothing while the job is paused, or when its kernel is gone', async () => {
    const job = await show({ ...SENDING, status: 'paused' });
    expect(lines(job)).toEqual(['Send: Paused · 42%', 'Publish: Waiting']);
    job.setSnapshot({ ...SENDING, status: 'interrupted', error: INTERRUPTED.error, revision: 99 });
    await frames();
    expect(lines(job)).toEqual(['Send: Interrupted · 42%']);
    toggle(job)?.click();
    await frames();
    expect(lines(job)).toEqual(['Write: Done', 'Send: Interrupted · 42%', 'Publish: Not begun']);
  });

  it('are among the details', async () => {
    const job = await show(UNDONE);
    all(job, '[data-action=details]')[0]?.click();
    const pairs = all(job, '[data-detail=steps] .pw-pair').map(({ textContent }) => textContent);
    expect(pairs).toEqual(['Write Undone', 'Send Undone', 'Publish Failed']);
  });

  it('count anew what was undone each time that they are shown', async () => {
    const steps = new Steps(SENDING, english);
    document.body.append(steps.view.element);
    const said = async (record: JobRecord) => {
      steps.show(record, { kind: 'live' });
      await frames();
      return steps.view.element.querySelector('.pw-parts-toggle')?.textContent;
    };
    expect(await said(SENDING)).toBe('Show all 3 steps');
    expect(await said(WITHDRAWN)).toBe('Show all 3 steps, 1 undone');
    steps.dispose();
    expect(document.body.childElementCount).toBe(0);
  });

  it('are told in the panel to a pointer', () => {
    const told = exportText(WITHDRAWN, { kind: 'live' }, english, WITHDRAWN.updated).title;
    expect(told.split('\n')).toContain('Write: Undone · Send: Cancelled · Publish: Not begun');
  });

  it('have a name even where nobody here knows it, and no other job has any', () => {
    const other = { ...SENDING, steps: [{ name: 'sign', status: 'undone' }] } as const;
    expect(stepsOf(other, english).map(({ title }) => title)).toEqual(['sign']);
    // As the server says it.
    const none = decodeRecord({ ...SENDING, steps: null });
    expect(stepsOf(none, english)).toEqual([]);
  });
});
