import { readdirSync, readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Channel } from '../src/channel/channel';
import { CHINESE, ENGLISH } from '../src/i18n';
import { LAB_CHINESE, LAB_ENGLISH, labWordsOf } from '../src/i18n/lab';
import { pairs, translated } from '../src/i18n/translated';
import { buttonsFor, CHOICES, type Choice, choicesFor } from '../src/jobs/choices';
import { Feed } from '../src/jobs/feed';
import { noticeOf } from '../src/jobs/notices';
import type { JobRecord } from '../src/protocol';
import { exportText } from '../src/view/export_text';
import { Network, settle } from './fake_network';
import { CANCELLED, DONE, FAILED, INTERRUPTED, record, TASK } from './records';

const OTHER = 'f'.repeat(32);

describe('what is open for a job', () => {
  const CONVERSION = { source: 'a.csv', notebook: null, cellId: null };
  const PAUSED = record({ status: 'paused' });
  it.each([
    ['running', record(), 'pause cancel notebook'],
    [
      'running, and readable already',
      record({ appendOnly: true }),
      'pause cancel download notebook',
    ],
    ['about to be paused', record({ pending: 'pause' }), 'cancel notebook'],
    ['about to be cancelled', record({ pending: 'cancel' }), 'notebook'],
    ['paused', PAUSED, 'resume cancel notebook'],
    ['about to go on', { ...PAUSED, pending: 'resume' }, 'cancel notebook'],
    ['waiting', record({ status: 'queued', appendOnly: true }), 'cancel notebook'],
    ['done', DONE, 'download show link notebook forget'],
    ['done elsewhere', { ...DONE, contents: null }, 'download notebook forget'],
    ['done, an upload', { ...DONE, kind: 'upload' }, 'notebook forget'],
    ['a loop that obeys nobody', record({ kind: 'task', obeys: false }), 'notebook'],
    ['done, a loop', { ...DONE, kind: 'task' }, 'notebook forget'],
    ['done without a notebook', { ...DONE, notebook: null }, 'download show link forget'],
    ['failed', FAILED, 'retry notebook forget'],
    ['failed outside of a cell', { ...FAILED, cellId: null }, 'notebook forget'],
    ['interrupted', INTERRUPTED, 'retry notebook forget'],
    ['cancelled', CANCELLED, 'retry notebook forget'],
    ['interrupted, a conversion', { ...INTERRUPTED, ...CONVERSION }, 'again forget'],
    ['failed, a conversion', { ...FAILED, ...CONVERSION }, 'forget'],
  ] as [string, JobRecord, string][])('%s', (_, job, expected) => {
    const choices = choicesFor(job, true);
    expect(CHOICES.filter((choice) => choices.has(choice)).sort()).toEqual(
      expected.split(' ').sort(),
    );
    expect([...choicesFor(job, false)]).toEqual(job.notebook === null ? [] : ['notebook']);
  });

  it('is a button for what is wanted most', () => {
    expect(buttonsFor(new Set<Choice>(CHOICES))).not.toContain('forget');
    expect(buttonsFor(choicesFor(DONE, true))).toEqual(['download', 'show']);
    expect(buttonsFor(choicesFor(record(), true))).toEqual(['pause', 'cancel']);
  });
});

describe('what a row says', () => {
  const NOW = DONE.ended ?? 0;
  const say = (job: JobRecord, now = NOW) => exportText(job, { kind: 'live' }, ENGLISH, now);

  it('has first what is to wait for', () => {
    expect(say(record())).toMatchObject({
      words: 'Writing',
      facts: ['42%', '4\u00a0s left', '1,428,000 of 3,367,760 rows'],
      percent: 42.4,
      active: true,
      stale: false,
    });
    expect(say(record({ progress: null, eta: null })).percent).toBeNull();
  });

  it('has the size and the time of what is done, and the day of another day', () => {
    const [size, time, rows] = say(DONE).facts;
    expect([size, rows]).toEqual(['326.4\u00a0MB', '3,367,760 rows']);
    expect(time).toMatch(/^\d{1,2}:\d{2}/);
    expect(say(DONE, NOW + 2 * 86_400_000).facts[1]).toMatch(/2024/);
    expect(say(DONE)).toMatchObject({ percent: null, active: false, stage: 'done' });
  });

  it('has why there is no file, and what to do where there is room', () => {
    expect(say(FAILED).facts).toEqual([FAILED.error?.message]);
    expect(say(FAILED).title).toContain(FAILED.error?.hint);
    expect(say(CANCELLED).facts).toHaveLength(1);
    expect(say(DONE).title).toContain(DONE.path);
  });

  it('is old without the server', () => {
    const lost = exportText(record(), { kind: 'offline', reason: 'unreachable' }, ENGLISH, NOW);
    expect(lost.stale).toBe(true);
    expect(lost.facts).not.toContain('4\u00a0s left');
  });
});

describe('the feed', () => {
  let network: Network;
  let feed: Feed;
  let turns: (() => void)[];
  let ends: string[];

  const say = (message: object) => network.wire.say({ timestamp: 1, ...message });
  const snapshot = (job: JobRecord) => {
    const data = { taskId: job.taskId, recovered: false, snapshot: job };
    say({ type: 'subscribed', re: null, epoch: 'E', seq: 1, data });
  };
  const event = (job: JobRecord, seq: number) => {
    const type = job.ended === null ? 'progress_update' : 'task_complete';
    say({ type, epoch: 'E', from: seq, seq, data: job });
  };

  beforeEach(async () => {
    network = new Network();
    turns = [];
    ends = [];
    feed = new Feed(new Channel(network.environment), (run) => turns.push(run));
    feed.followEnds(({ status }) => ends.push(status), new AbortController().signal);
    network.wire.hello();
    await settle();
  });

  it('knows what there is once the server has said so', () => {
    expect([feed.isConnected, feed.isComplete]).toEqual([true, false]);
    say({ type: 'watching', re: 1, data: { all: true, tasks: 1 } });
    expect(feed.isComplete).toBe(false);
    snapshot(record());
    expect(feed.isComplete).toBe(true);
    expect(feed.records.size).toBe(1);
  });

  it('knows that nothing is left, once the last one has been taken off', () => {
    say({ type: 'watching', re: 1, data: { all: true, tasks: 1 } });
    snapshot(DONE);
    feed.records.remove(TASK);
    expect(feed.isComplete).toBe(true);
    say({ type: 'watching', re: 1, data: { all: true, tasks: 2 } });
    expect(feed.isComplete).toBe(false);
  });

  it('knows that there is nothing', () => {
    say({ type: 'watching', re: 1, data: { all: true, tasks: 0 } });
    expect(feed.isComplete).toBe(true);
  });

  it('tells an end at once, where it has seen the job run', () => {
    snapshot({ ...DONE, taskId: OTHER });
    snapshot(record());
    event(record({ revision: 13, rows: 2_000_000 }), 2);
    expect(ends).toEqual([]);
    event(DONE, 3);
    expect(ends).toEqual(['done']);
    event({ ...DONE, updated: DONE.updated + 1 }, 4);
    expect(ends).toEqual(['done']);
  });

  it('tells the end that came while it was away', async () => {
    snapshot(record());
    network.wire.break(1006);
    expect(feed.isConnected).toBe(false);
    await network.clock.advance(334);
    network.wire.hello();
    snapshot(FAILED);
    expect(ends).toEqual(['failed']);
  });

  it('drops what the server has forgotten', () => {
    snapshot(record());
    say({ type: 'task_removed', data: { taskId: TASK } });
    expect(feed.records.size).toBe(0);
  });

  it('hears nothing more after its end', async () => {
    snapshot(record());
    feed.dispose();
    event(DONE, 2);
    expect(ends).toEqual([]);
    await network.clock.advance(5_000);
    expect(network.wire.closedWith).toBe(1000);
  });
});

describe('a notice', () => {
  const RULE = { notices: true, noticeAfter: 30, noticeHidden: true };
  const long = (job: JobRecord) => ({ ...job, elapsed: 30 });

  it.each([
    ['short and seen', DONE, false, null],
    ['short and not seen', DONE, true, 'done'],
    ['long', long(DONE), false, 'done'],
    ['a long failure', long(FAILED), false, 'failed'],
    ['an interruption that nobody saw', INTERRUPTED, true, 'interrupted'],
    ['cancelled by the person', long(CANCELLED), true, null],
    ['not ended', long(record()), true, null],
    ['a part of a group', { ...long(FAILED), parent: OTHER }, true, null],
  ] as [string, JobRecord, boolean, string | null][])('%s', (_, job, hidden, expected) => {
    expect(noticeOf(job, RULE, hidden)).toBe(expected);
    expect(noticeOf(job, { ...RULE, notices: false }, hidden)).toBeNull();
  });

  it('is none of a hidden page where the person does not want that', () => {
    expect(noticeOf(DONE, { ...RULE, noticeHidden: false }, true)).toBeNull();
    expect(noticeOf(long(DONE), { ...RULE, noticeHidden: false }, true)).toBe('done');
  });
});

describe('a table in the language of a pack', () => {
  const table = {
    a: 'Exports',
    n: { of: (count: string, total: string) => `${count} of ${total}` },
    one: (count: number) => (count === 1 ? '1 export' : `${count} exports`),
    missing: (name: string) => `${name} is new`,
  };
  const pack: Record<string, string> = {
    Exports: 'Exportations',
    '%1 of %2': '%2, dont %1',
    '%1 exports': '%1 exportations',
  };
  const french = translated(table, (text) => pack[text] ?? text);

  it('has what the pack has, values in their places', () => {
    expect(french.a).toBe('Exportations');
    expect(french.n.of('1', '20')).toBe('20, dont 1');
    expect(french.one(2)).toBe('2 exportations');
  });

  it('takes values as they are, whatever they look like', () => {
    expect(french.n.of('%2', '$&')).toBe('$&, dont %2');
  });

  it('stays English where the pack knows nothing', () => {
    expect(french.missing('a.csv')).toBe('a.csv is new');
  });

  it('is paired with ours text by text, for the catalog', () => {
    const found = pairs(LAB_ENGLISH, LAB_CHINESE);
    expect(found.get('%1 jobs')).toBe('%1 个任务');
    expect(found.get('Show in File Browser')).toBe('在文件浏览器中显示');
    expect(pairs(ENGLISH, CHINESE).get('%1 of %2 rows')).toBe('%1 / %2 行');
  });
});

describe('the words of JupyterLab', () => {
  const SCHEMAS = readdirSync('schema').filter((name) => name.endsWith('.json'));

  function texts(value: unknown, path = ''): [string, string][] {
    if (typeof value === 'string') return [[path, value]];
    if (typeof value === 'function') return [[path, value('<1>', '<2>')]];
    return Object.entries(value as object).flatMap(([name, inner]) =>
      texts(inner, `${path}.${name}`),
    );
  }

  it('are said in both languages', () => {
    const chinese = new Map(texts(LAB_CHINESE));
    expect([...chinese.keys()]).toEqual(texts(LAB_ENGLISH).map(([path]) => path));
    for (const [path, text] of chinese) {
      const inner = text.replaceAll(/<\d>/g, '');
      if (/[a-z]{2}/i.test(inner)) expect(inner, path).toMatch(/\p{Script=Han}/u);
    }
    expect([labWordsOf(CHINESE), labWordsOf(ENGLISH)]).toEqual([LAB_CHINESE, LAB_ENGLISH]);
  });

  it('make a plural of more than one', () => {
    expect([LAB_ENGLISH.active(1), LAB_ENGLISH.active(2)]).toEqual(['1 job', '2 jobs']);
    expect(LAB_ENGLISH.clearBody('1')).not.toContain('jobs that');
  });

  it.each(SCHEMAS)('hold every text of %s', (name) => {
    const schema = JSON.parse(readFileSync(`schema/${name}`, 'utf8'));
    const { title, description, properties } = schema;
    const read = texts({ title, description, properties })
      .filter(([path]) => /\.(title|description)$/.test(path))
      .map(([, text]) => text);
    const known: readonly string[] = Object.values(LAB_ENGLISH.schemas);
    expect(read.filter((text) => !known.includes(text))).toEqual([]);
  });

  it('hold no text that no schema has', () => {
    const all = SCHEMAS.map((name) => readFileSync(`schema/${name}`, 'utf8')).join();
    for (const text of Object.values(LAB_ENGLISH.schemas)) {
      expect(all).toContain(JSON.stringify(text));
    }
  });
});
