import { describe, expect, it } from 'vitest';
import { type Connection, hears } from '../src/channel/connection';
import { ENGLISH } from '../src/i18n';
import { partsOf } from '../src/view/amounts';
import { isDeaf, linkText } from '../src/view/connection_words';
import { hasFile, isGroup, isTask, isTransfer, nameOf } from '../src/view/kinds';
import { buttonsFor, offlineButtons } from '../src/view/offered';
import { DONE, record } from './records';

const LIVE: Connection = { kind: 'live' };
const OFFLINE: Connection = { kind: 'offline', reason: 'login' };

describe('a kind of work', () => {
  it.each([
    ['export', [], true],
    ['download', ['transfer'], true],
    ['upload', ['transfer'], false],
    ['group', ['group'], false],
    ['task', ['task'], false],
  ])('%s is one of them, and has a file or none', (kind, names, file) => {
    const job = { ...DONE, kind };
    const found = [isTransfer(job) && 'transfer', isGroup(job) && 'group', isTask(job) && 'task'];
    expect(found.filter(Boolean)).toEqual(names);
    expect(hasFile(job)).toBe(file);
    expect(hasFile({ ...job, url: null })).toBe(false);
  });
});

it('a job is called by its title, and else by its file', () => {
  expect(nameOf(record({ title: 'Monthly close', name: 'close.csv' }))).toBe('Monthly close');
  expect(nameOf(record({ title: null, name: 'close.csv' }))).toBe('close.csv');
});

describe('a connection', () => {
  it.each([
    [LIVE, true, 'Live'],
    [{ kind: 'polling' }, true, 'Live without WebSocket'],
    [{ kind: 'connecting' }, false, 'Connecting'],
    [{ kind: 'comm' }, false, 'Stop with the notebook’s ■ button'],
    [{ kind: 'reconnecting', attempt: 1, of: 5, cause: null }, false, 'Reconnecting, 1 of 5'],
    [OFFLINE, false, ENGLISH.offline.login],
    [{ kind: 'saved' }, false, ENGLISH.saved],
  ] as [Connection, boolean, string][])('%o hears the server: %s', (connection, live, text) => {
    expect(hears(connection)).toBe(live);
    expect(linkText(connection, record(), ENGLISH)).toBe(text);
  });

  it('over the comm reaches a kernel that no cell blocks', () => {
    const comm: Connection = { kind: 'comm' };
    expect([isDeaf(comm, record()), isDeaf(comm, record({ background: true }))]).toEqual([
      true,
      false,
    ]);
    expect(isDeaf(LIVE, record())).toBe(false);
    expect(linkText(comm, null, ENGLISH)).toBe('Live');
  });
});

describe('the numbers', () => {
  const texts = (percent: number | null, ahead: number, changes = {}) =>
    [...partsOf(record(changes), percent, ahead, ENGLISH)].map(([name, { text }]) => [
      name,
      text.replaceAll('\u00a0', ' '),
    ]);

  it('say the percent that the bar shows, and not the record’s own', () => {
    expect(texts(50, 0, { progress: 40 })[0]).toEqual(['percent', '50%']);
    expect(texts(null, 0).map(([name]) => name)).not.toContain('percent');
  });

  it('go on with time, until the guess was wrong', () => {
    const changes = { rate: 0, rows: 0, elapsed: 2, eta: 9 };
    expect(texts(null, 3, changes)).toEqual([
      ['elapsed', '5.0 s'],
      ['time', '6 s left'],
    ]);
    expect(texts(null, 10, changes)).toEqual([['elapsed', '12 s']]);
  });
});

describe('what a bar offers', () => {
  it('is what the page and the job both can', () => {
    const page = { record: DONE, connection: LIVE, floor: 0, canDownload: true };
    expect([...buttonsFor(page, DONE)]).toEqual(['download']);
    expect([...buttonsFor({ ...page, canDownload: false }, DONE)]).toEqual([]);
    expect([...buttonsFor({ ...page, canSave: true }, DONE)]).toEqual(['download', 'save']);
  });

  it('is a new connection where there is none, and nothing else', () => {
    expect([...offlineButtons(OFFLINE)]).toEqual(['reconnect']);
    expect([...offlineButtons(LIVE)]).toEqual([]);
  });
});
