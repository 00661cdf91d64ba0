import { describe, expect, it } from 'vitest';
import type { Connection } from '../src/channel/connection';
import { CHINESE, ENGLISH } from '../src/i18n';
import { ACTIVE_STATUSES, type JobRecord, TERMINAL_STATUSES } from '../src/protocol';
import { type Presentation, present, type Situation } from '../src/view/presentation';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record, SHA256 } from './records';

function show(record: JobRecord | null, changes: Partial<Situation> = {}): Presentation {
  const situation = { record, connection: { kind: 'live' }, floor: 0, canDownload: true } as const;
  return present({ ...situation, ...changes }, ENGLISH);
}

function line({ parts }: Presentation): string {
  return [...parts.values()].map(({ text }) => text.replaceAll('\u00a0', ' ')).join(' · ');
}

const loop = (changes: Partial<JobRecord>) => record({ kind: 'task', bytes: 0, ...changes });

describe('the line of numbers', () => {
  it.each([
    [
      'writing',
      record(),
      '42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 612,341 rows/s · 2.4 s · 4 s left',
    ],
    [
      'without a total',
      record({ progress: null, total: null, eta: null }),
      '1,428,000 rows · 138.4 MB · 612,341 rows/s · 2.4 s',
    ],
    [
      'paused',
      record({ status: 'paused', rate: null, eta: null }),
      '42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 2.4 s',
    ],
    ['queued', record({ status: 'queued', progress: 0 }), '0%'],
    ['done', DONE, '3,367,760 rows · 326.4 MB · 5.8 s · sha-256 9f86d081884c…'],
    [
      'receiving',
      record({ kind: 'download', phase: 'receiving', rows: 12_300_000, total: 40_000_000 }),
      '42% · 12.3 MB of 40.0 MB · 612.3 kB/s · 2.4 s · 4 s left',
    ],
    [
      'sending the rest, of which nobody knows how much it is',
      record({ kind: 'upload', rows: 12_300_000, reused: 2_000_000, total: null, eta: null }),
      '42% · 12.3 MB · 2.0 MB kept · 612.3 kB/s · 2.4 s',
    ],
    [
      'going round a loop',
      record({ kind: 'task', progress: 40, rows: 40, total: 100, bytes: 0, rate: 12.4, eta: null }),
      '40% · 40 of 100 · 12.4/s · 2.4 s',
    ],
    [
      'going round a loop with a unit',
      loop({ progress: 40, rows: 40, total: 100, rate: 1234.5, unit: 'it', postfix: 'loss=0.3' }),
      '40% · 40 of 100 · 1,235 it/s · 2.4 s · 4 s left · loss=0.3',
    ],
    [
      'going round a slow loop',
      loop({ progress: null, rows: 3, total: null, rate: 0.25, eta: null, unit: 'epoch' }),
      '3 epoch · 4.0 s/epoch · 2.4 s',
    ],
    [
      'going round a loop over bytes',
      loop({ progress: 50, rows: 1_500_000, total: 3_000_000, rate: 12_300, unit: 'B' }),
      '50% · 1.5 MB of 3.0 MB · 12.3 kB/s · 2.4 s · 4 s left',
    ],
    [
      'done with a loop that was left',
      { ...DONE, kind: 'task', progress: 37, rows: 37, total: 100, unit: 'it', sha256: null },
      '37 of 100 · 5.8 s',
    ],
    [
      'done with a loop',
      { ...DONE, kind: 'task', rows: 7, total: null, sha256: null },
      '7 · 5.8 s',
    ],
    ...(
      [
        [3, '3 iterations'],
        [1, '1 iteration'],
      ] as const
    ).map(([rows, said]): [string, JobRecord, string] => [
      `done with a loop whose unit nobody has named, ${rows}`,
      { ...DONE, kind: 'task', rows, total: rows, unit: 'it', sha256: null },
      `${said} · 5.8 s`,
    ]),
    ['failed', FAILED, '42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 2.4 s'],
    ['cancelled', CANCELLED, '42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 2.4 s'],
  ])('%s', (_, record, text) => {
    expect(line(show(record))).toBe(text);
  });

  it.each([
    ['nothing is written yet', record({ rows: 0, bytes: 4, rate: 0, eta: null }), 0, '42% · 2.4 s'],
    [
      'rows are read and none is written yet',
      record({ rows: 0, read: 26_000, bytes: 4, rate: 0, eta: null }),
      0,
      '42% · 26,000 rows read · 2.4 s',
    ],
    [
      'the rate is 0',
      record({ rate: 0.2 }),
      0,
      '42% · 1,428,000 of 3,367,760 rows · 138.4 MB · 2.4 s · 4 s left',
    ],
    ['time goes on', record({ rows: 0, rate: 0, eta: null }), 20, '42% · 22 s'],
    ['time is counted down', record({ rows: 0, rate: 0, eta: 30 }), 12, '42% · 14 s · 18 s left'],
    ['the guess was wrong', record({ rows: 0, rate: 0, eta: 3 }), 12, '42% · 14 s'],
    [
      'an empty table',
      { ...DONE, rows: 0, total: 0, bytes: 4, sha256: null },
      9,
      '0 rows · 4 B · 5.8 s',
    ],
    [
      'a report of the first rows',
      { ...DONE, rows: 40, sha256: null },
      100,
      '40 of 3,367,760 rows · 326.4 MB · 5.8 s',
    ],
    [
      'some rows were there',
      record({ reused: 1_000_000, rate: 0, eta: null }),
      0,
      '42% · 1,428,000 of 3,367,760 rows · 1,000,000 kept · 138.4 MB · 2.4 s',
    ],
  ])('where %s', (_, record, ahead, text) => {
    expect(line(show(record, { ahead }))).toBe(text);
  });

  it('reveals the whole digest and the exact size to a pointer', () => {
    expect(show(DONE).parts.get('digest')?.title).toBe(SHA256);
    expect(show(DONE).parts.get('bytes')?.title).toBe('326,400,118 B');
  });

  it('says no rate and no time left that are old', () => {
    const shown = show(record(), {
      connection: { kind: 'reconnecting', attempt: 1, of: 5, cause: null },
    });
    expect(shown.stale).toBe(true);
    expect(line(shown)).toBe('42% · 1,428,000 of 3,367,760 rows · 138.4 MB');
  });
});

describe('the buttons', () => {
  const offline: Connection = { kind: 'offline', reason: 'unreachable' };
  const comm: Connection = { kind: 'comm' };
  const background = record({ background: true });
  const growing = record({ appendOnly: true });
  const EVERYTHING = { canSave: true, canLink: true, canReveal: true };
  it.each([
    ['queued', record({ status: 'queued' }), {}, ['cancel']],
    ['running, a loop that obeys nobody', loop({ obeys: false }), {}, []],
    ['interrupted, a loop', loop({ status: 'interrupted' }), { canRerun: true }, ['retry']],
    ['running', record(), {}, ['pause', 'cancel']],
    ['paused', record({ status: 'paused' }), {}, ['resume', 'cancel']],
    ['done', DONE, {}, ['download']],
    ['done, without a server', DONE, { canDownload: false }, []],
    ['done, of another server', DONE, { unknown: true }, []],
    ['done and forgotten', DONE, { unknown: true, canRerun: true }, ['retry']],
    ['done, without an address', { ...DONE, url: null }, {}, []],
    ['done, sent', { ...DONE, kind: 'upload' }, {}, []],
    ['done, a loop', { ...DONE, kind: 'task' }, EVERYTHING, []],
    ['done, a group', { ...DONE, kind: 'group' }, EVERYTHING, []],
    ['done, with all that can be', DONE, EVERYTHING, ['download', 'save', 'link', 'reveal']],
    ['growing, a loop', { ...growing, kind: 'task' }, {}, ['pause', 'cancel']],
    ['done, received', { ...DONE, kind: 'download' }, {}, ['download']],
    ['done, offline', DONE, { connection: offline }, ['download']],
    ['failed', FAILED, {}, []],
    ['cancelled', CANCELLED, {}, []],
    ['interrupted', INTERRUPTED, {}, []],
    ['offline', record(), { connection: offline }, ['reconnect']],
    ['offline, nothing known', null, { connection: offline }, ['reconnect']],
    ['connecting', null, { connection: { kind: 'connecting' } as const }, []],
    ['growing', growing, {}, ['follow', 'pause', 'cancel']],
    [
      'growing, paused',
      record({ appendOnly: true, status: 'paused' }),
      {},
      ['follow', 'resume', 'cancel'],
    ],
    ['growing, not begun', record({ appendOnly: true, status: 'queued' }), {}, ['cancel']],
    ['growing, without a server', growing, { canDownload: false }, ['pause', 'cancel']],
    ['growing, offline', growing, { connection: offline }, ['reconnect']],
    ['grown', { ...DONE, appendOnly: true }, {}, ['download']],
    ['over the comm, blocking', record(), { connection: comm }, []],
    ['over the comm, in the background', background, { connection: comm }, ['pause', 'cancel']],
  ])('%s', (_, record, changes, buttons) => {
    expect([...show(record, changes).buttons]).toEqual(buttons);
  });

  it('that could do nothing give way to what can be done', () => {
    expect(show(record(), { connection: comm }).link).toBe('Stop with the notebook’s ■ button');
    expect(show(background, { connection: comm })).toMatchObject({ link: 'Live', quiet: true });
    expect(show(DONE, { connection: comm }).link).toBeNull();
  });
});

describe('the bar', () => {
  it('does not run backwards', () => {
    expect(show(record({ progress: 41 }), { floor: 42.5 }).percent).toBe(42.5);
    expect(show(record({ progress: 43 }), { floor: 42.5 }).percent).toBe(43);
  });

  it('is full when the job is done, whatever was known before', () => {
    expect(show({ ...DONE, progress: null }).percent).toBe(100);
  });

  it('moves without a value only while the job runs', () => {
    const unknown = { progress: null, total: null };
    expect(show(record(unknown))).toMatchObject({ percent: null, moving: true });
    expect(show(record({ ...unknown, status: 'paused' })).moving).toBe(false);
  });

  it.each([
    ['starting', 'connecting'],
    ['connecting', 'connecting'],
    ['waiting', 'connecting'],
    ['verifying', 'finishing'],
    ['reading', 'working'],
    ['writing', 'working'],
    ['finishing', 'finishing'],
    ['sending', 'working'],
  ] as const)('has a stage for the phase %s', (phase, stage) => {
    expect(show(record({ phase })).stage).toBe(stage);
  });

  it('of a loop that was left shows how far it came', () => {
    const left = { ...DONE, kind: 'task', progress: 37, rows: 37, total: 100, unit: 'page' };
    const shown = show(left);
    expect([shown.percent, shown.words, shown.icon, shown.stage]).toEqual([
      37,
      'Stopped at 37 of 100\u00a0page',
      'stopped',
      'stopped',
    ]);
    expect(shown.valueText).toBe(shown.words);
    expect(show({ ...left, progress: null, total: null }).words).toBe('Done');
    expect(show({ ...left, rows: 100, progress: 100 }).stage).toBe('done');
  });

  it('of a loop in its first step says that none is done', () => {
    expect(line(show(loop({ rows: 0, total: 4, progress: 0, rate: null, eta: null })))).toContain(
      '0 of 4',
    );
    expect(show(loop({ rows: 0, total: null, progress: null })).parts.has('rows')).toBe(false);
  });

  it('of a loop that is to leave nothing is gone when it is done', () => {
    const end = loop({ status: 'done', leave: false });
    expect(show(end).gone).toBe(true);
    expect(show({ ...end, leave: true }).gone).toBe(false);
    expect(show({ ...end, status: 'failed' }).gone).toBe(false);
  });

  it('of a loop that failed says what it failed by, in Chinese too', () => {
    const message = 'ValueError: no price';
    const failed = loop({ status: 'failed', error: { code: 'failed', message, hint: '' } });
    expect(show(failed).note).toEqual({ message, hint: '' });
    const situation = { connection: { kind: 'live' }, floor: 0, canDownload: true } as const;
    expect(present({ record: failed, ...situation }, CHINESE).note?.hint).toBe(message);
  });

  it('of a loop that died promises nothing that another run would go on from', () => {
    const error = { code: 'kernel-died', message: 'The kernel died.', hint: 'It goes on.' };
    const note = show(loop({ status: 'interrupted', error })).note;
    expect(note).toEqual({ message: 'The kernel died.', hint: '' });
  });

  it('is not told what a loop of somebody does, unless the loop says so', () => {
    expect(show(record({ kind: 'task' })).words).toBe('In progress');
    expect(show(record({ kind: 'task', phase: 'reading' })).words).toBe('Reading');
    expect(ENGLISH.label('train', 'task')).toBe('Progress of train');
    expect(CHINESE.label('train', 'task')).toBe('train 的进度');
  });

  it.each([...ACTIVE_STATUSES, ...TERMINAL_STATUSES])('says in words what %s is', (status) => {
    const shown = show(record({ status }));
    expect(shown.state).toBe(status);
    expect(shown.words).not.toBe('');
    expect(shown.valueText).toContain(shown.words);
  });
});

describe('what went wrong', () => {
  it('is told with what to do', () => {
    expect(show(FAILED).note).toEqual({
      message: 'Column "route" is a list, and CSV has no lists.',
      hint: 'Write Parquet, or turn the column into text first.',
    });
  });

  it('is told in the language of the page', () => {
    const situation = { record: INTERRUPTED, connection: { kind: 'live' }, floor: 0 } as const;
    const shown = present({ ...situation, canDownload: true }, CHINESE);
    expect(shown.note?.message).toBe('内核已崩溃。');
  });

  it('is that the file cannot be had where the server does not know the job', () => {
    expect(show(DONE, { unknown: true }).note).toEqual({
      message: 'This server does not know this job any more.',
      hint: 'To download the file from here, run the cell again.',
    });
    for (const kind of ['task', 'group', 'upload']) {
      expect(show({ ...DONE, kind }, { unknown: true }).note).toBeNull();
    }
  });

  it('is no news to the person who cancelled', () => {
    expect(show({ ...CANCELLED, error: null }).note).toBeNull();
  });

  it('says who stopped it where that was the notebook', () => {
    const error = { code: 'keyboard-interrupt', message: 'stopped', hint: '' };
    expect(show({ ...CANCELLED, error }).note).toEqual({
      message: 'Stopped from the notebook.',
      hint: 'Run the cell again to export from the beginning.',
    });
  });

  it('is not told of a job that runs again', () => {
    expect(show({ ...INTERRUPTED, status: 'running' }).note).toBeNull();
  });
});

describe('the connection', () => {
  it('without a WebSocket is as fresh as a live one, and says so', () => {
    const shown = show(record({ appendOnly: true }), { connection: { kind: 'polling' } });
    expect(shown).toMatchObject({ stale: false, link: 'Live without WebSocket' });
    expect([...shown.buttons]).toEqual(['follow', 'pause', 'cancel']);
    expect(shown.parts.has('time')).toBe(true);
  });

  it.each(['restart', 'slow', 'silent'] as const)(
    'that is sought says why it was lost: %s',
    (cause) => {
      const connection = { kind: 'reconnecting', attempt: 2, of: 5, cause } as const;
      const shown = show(record(), { connection });
      expect(shown.link).toBe(`Reconnecting, 2 of 5: ${ENGLISH.loss[cause]}`);
      expect(shown.stale).toBe(true);
    },
  );

  it('is told where the job is not over', () => {
    const connection = { kind: 'reconnecting', attempt: 2, of: 5, cause: null } as const;
    expect(show(record(), { connection }).link).toBe('Reconnecting, 2 of 5');
    expect(show(DONE, { connection })).toMatchObject({ link: null, stale: false });
    expect(show(record())).toMatchObject({ link: 'Live', quiet: true });
    expect(show(record(), { connection: { kind: 'connecting' } })).toMatchObject({
      link: 'Connecting',
      quiet: false,
      stale: true,
    });
  });

  it('leaves a blank card only while something may still come', () => {
    expect(show(null, { connection: { kind: 'connecting' } }).blank).toBe(true);
    const shown = show(null, { connection: { kind: 'offline', reason: 'absent' } });
    expect(shown).toMatchObject({ blank: false, moving: false });
    expect(shown.link).toBe('This server has no progresswidget extension');
  });

  it('to a server that knows no such job leaves nothing to wait for', () => {
    const shown = show(null, { unknown: true });
    expect(shown).toMatchObject({ blank: false, moving: false, words: '' });
    expect(shown.note?.message).toBe('This server does not know this job any more.');
  });
});
