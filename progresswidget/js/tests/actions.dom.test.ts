import { afterEach, describe, expect, inject, it } from 'vitest';
import { ActionFailure, download, requestAction } from '../src/actions';
import { pageServer } from '../src/server';
import { DONE, record, TASK } from './records';

const { signal } = new AbortController();
const server = (path: string) => pageServer(path, inject('origin'));
const dead = () => pageServer('/', inject('deadOrigin'));

async function failure(work: Promise<unknown>): Promise<[string, string]> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ActionFailure) return [error.key, error.detail];
    throw error;
  }
  throw new Error('it did not fail');
}

describe('an action', () => {
  it('is posted to the job, and answered with the record', async () => {
    let seen: unknown;
    const plain = server('/202/job/');
    const listening = {
      ...plain,
      async request(url: string, init: RequestInit) {
        const response = await plain.request(url, init);
        seen = JSON.parse(response.headers.get('x-seen') ?? 'null');
        return response;
      },
    };
    expect(await requestAction(listening, TASK, 'pause', signal)).toEqual(
      record({ pending: 'pause' }),
    );
    expect(seen).toMatchObject({
      method: 'POST',
      url: `/202/job/progresswidget/api/jobs/${TASK}`,
      body: '{"action":"pause"}',
    });
  });

  it.each([
    ['/401/none/', 'login', ''],
    ['/403/none/', 'forbidden', ''],
    ['/404/not-found/', 'unknownJob', 'no such job'],
    ['/409/refusal/', 'ended', 'It is Sunday.'],
    ['/500/none/', 'refused', ''],
    ['/500/refusal/', 'refused', 'It is Sunday.'],
    ['/202/none/', 'refused', ''],
  ])('that fails has a reason: %s', async (path, key, detail) => {
    expect(await failure(requestAction(server(path), TASK, 'cancel', signal))).toEqual([
      key,
      detail,
    ]);
  });

  it('fails where nobody answers', async () => {
    expect(await failure(requestAction(dead(), TASK, 'cancel', signal))).toEqual([
      'unreachable',
      '',
    ]);
  });

  it('of a view that is gone is no failure of the server', async () => {
    const gone = AbortSignal.abort();
    await expect(requestAction(server('/202/job/'), TASK, 'pause', gone)).rejects.toThrow(
      DOMException,
    );
  });
});

describe('a download', () => {
  const followed: { href: string; name: string }[] = [];
  const onClick = (event: MouseEvent) => {
    if (!(event.target instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    followed.push({ href: event.target.href, name: event.target.download });
  };
  const watch = () => document.addEventListener('click', onClick);
  afterEach(() => {
    document.removeEventListener('click', onClick);
    followed.length = 0;
  });

  it('is the browser’s own: a link to the server of now, followed once', async () => {
    watch();
    const url = '/another/base/progresswidget/files/x';
    await download(server('/200/job/'), { ...DONE, name: 'a b#1.csv', url }, signal);
    const base = `${inject('origin')}/200/job/progresswidget/`;
    expect(followed).toEqual([{ href: `${base}files/${TASK}/1/a%20b%231.csv`, name: 'a b#1.csv' }]);
    expect(document.querySelector('a[download]')).toBeNull();
  });

  it('of a file that is still being written follows it', async () => {
    watch();
    await download(server('/200/job/'), record({ name: 'a b.csv' }), signal);
    const base = `${inject('origin')}/200/job/progresswidget/`;
    expect(followed).toEqual([
      { href: `${base}files/${TASK}/1/a%20b.csv?follow=1`, name: 'a b.csv' },
    ]);
  });

  it.each([
    ['/401/none/', 'login'],
    ['/403/none/', 'forbidden'],
    ['/404/none/', 'fileGone'],
    ['/404/not-found/', 'unknownJob'],
    ['/410/none/', 'fileGone'],
    ['/503/none/', 'notReady'],
    ['/500/none/', 'refused'],
  ])('that cannot be had is no empty tab: %s', async (base, key) => {
    watch();
    expect((await failure(download(server(base), DONE, signal)))[0]).toBe(key);
    expect(followed).toEqual([]);
  });

  it('of a job that never met a server leads nowhere', async () => {
    const work = download(server('/200/job/'), { ...DONE, url: null }, signal);
    expect((await failure(work))[0]).toBe('fileGone');
  });

  it('fails where nobody answers', async () => {
    watch();
    expect((await failure(download(dead(), DONE, signal)))[0]).toBe('unreachable');
    expect(followed).toEqual([]);
  });
});
