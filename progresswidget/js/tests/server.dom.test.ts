import { afterEach, describe, expect, inject, it } from 'vitest';
import {
  browserEnvironment,
  changes,
  channelOf,
  fetchJob,
  fetchJobsOfNotebook,
  health,
  pageServer,
  type Server,
  serverOfPage,
  socketUrl,
} from '../src/server';
import { record, TASK } from './records';

const { signal } = new AbortController();

/** A server all of whose answers have this status and body. */
function answering(status: number, body = 'none'): Server {
  return pageServer(`/${status}/${body}/`, inject('origin'));
}

describe('the address', () => {
  it.each([
    ['/', 'https://host/progresswidget/', 'wss://host/progresswidget/ws'],
    [
      '/user/alice',
      'https://host/user/alice/progresswidget/',
      'wss://host/user/alice/progresswidget/ws',
    ],
    [
      'http://other:8888/x/',
      'http://other:8888/x/progresswidget/',
      'ws://other:8888/x/progresswidget/ws',
    ],
  ])('below %s', (baseUrl, base, socket) => {
    const server = pageServer(baseUrl, 'https://host');
    expect([server.base, server.socketUrl]).toEqual([base, socket]);
    expect(socketUrl(server.base)).toBe(socket);
  });

  it.each([
    ['{"baseUrl": "/user/alice/", "token": ""}', 'https://host/user/alice/progresswidget/'],
    ['{"token": "secret"}', null],
    ['{cut', null],
    ['', null],
  ])('is read from the page: %s', (config, base) => {
    const page = document.implementation.createHTMLDocument();
    const script = page.createElement('script');
    script.id = 'jupyter-config-data';
    script.type = 'application/json';
    script.textContent = config;
    page.body.append(script);
    expect(serverOfPage(page, 'https://host')?.base ?? null).toBe(base);
  });

  it('is not there in a page without Jupyter', () => {
    const page = document.implementation.createHTMLDocument();
    expect(serverOfPage(page, 'https://host')).toBeNull();
  });

  it('decides which channel is shared', () => {
    const one = pageServer('/a/', 'https://host');
    expect(channelOf(one)).toBe(channelOf(pageServer('/a', 'https://host/lab')));
    expect(channelOf(one)).not.toBe(channelOf(pageServer('/b/', 'https://host')));
  });
});

describe('a request', () => {
  afterEach(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: the cookie that Jupyter sets is under test
    document.cookie = '_xsrf=; max-age=0';
  });

  async function seen(server: Server, init: RequestInit) {
    const response = await server.request(`${server.base}api/jobs`, init);
    return JSON.parse(response.headers.get('x-seen') ?? 'null');
  }

  it('carries the XSRF token of the page in its header', async () => {
    // biome-ignore lint/suspicious/noDocumentCookie: see above
    document.cookie = '_xsrf=2|abc|def';
    expect(await seen(answering(200), { method: 'POST' })).toMatchObject({
      method: 'POST',
      xsrf: '2|abc|def',
    });
  });

  it('carries the token of the page in a header, and never in the address', async () => {
    const server = pageServer('/200/none/', inject('origin'), 'secret');
    const request = await seen(server, { method: 'GET' });
    expect(request.authorization).toBe('token secret');
    expect(request.url).not.toContain('secret');
    expect(server.socketUrl).not.toContain('secret');
  });
});

describe('the health of a server', () => {
  it.each([
    [404, 'not-found', 'present'],
    [404, 'none', 'absent'],
    [200, 'job', 'present'],
    [500, 'none', 'present'],
    [401, 'none', 'login'],
    [403, 'none', 'forbidden'],
  ])('%d with %s means %s', async (status, body, meaning) => {
    expect(await health(answering(status, body))).toBe(meaning);
  });

  it('is unknown where nobody answers', async () => {
    expect(await health(pageServer('/', inject('deadOrigin')))).toBe('unreachable');
  });
});

describe('jobs', () => {
  it('are fetched one by one', async () => {
    expect(await fetchJob(answering(200, 'job'), TASK, signal)).toEqual(
      record({ pending: 'pause' }),
    );
    expect(await fetchJob(answering(404, 'not-found'), TASK, signal)).toBeNull();
    expect(await fetchJob(answering(200, 'none'), TASK, signal)).toBeUndefined();
    expect(await fetchJob(answering(503, 'none'), TASK, signal)).toBeUndefined();
    const dead = pageServer('/', inject('deadOrigin'));
    expect(await fetchJob(dead, TASK, signal)).toBeUndefined();
  });

  it('are listed by notebook; an entry that cannot be read costs only itself', async () => {
    const jobs = await fetchJobsOfNotebook(answering(200, 'jobs'), 'a b/ü.ipynb', signal);
    expect(jobs?.map(({ revision }) => revision)).toEqual([12, 13]);
    expect(await fetchJobsOfNotebook(answering(404), 'a.ipynb', signal)).toBeNull();
    await expect(fetchJobsOfNotebook(answering(503), 'a.ipynb', signal)).rejects.toThrow('503');
    expect(await fetchJobsOfNotebook(answering(200, 'job'), 'a.ipynb', signal)).toEqual([]);
  });
});

describe('the environment of the browser', () => {
  it('wakes with the network and with a look at the page, until it is told to stop', () => {
    let woken = 0;
    const environment = browserEnvironment(answering(200));
    const end = environment.onWake(() => {
      woken += 1;
    });
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    expect(woken).toBe(2);
    end();
    window.dispatchEvent(new Event('online'));
    expect(woken).toBe(2);
  });

  it('asks for the subprotocol, at the address of the server', () => {
    const server = answering(404);
    const socket = browserEnvironment(server).open();
    expect(socket.url).toBe(server.socketUrl);
    socket.close();
  });
});

describe('what has changed', () => {
  it('is read with the place to go on from', async () => {
    const gone = { type: 'task_removed', timestamp: 1, data: { taskId: TASK } };
    const body = { cursor: 'c', complete: false, messages: [gone, { type: 'news of later' }] };
    const urls: string[] = [];
    const server: Server = {
      ...answering(200),
      request: async (url) => {
        urls.push(url);
        return Response.json(body);
      },
    };
    expect(await changes(server, null, signal)).toEqual({
      ...body,
      messages: [{ type: 'removed', taskId: TASK }, { type: 'unknown' }],
    });
    await changes(server, 'c d', signal);
    expect(urls.map((url) => url.replace(server.base, ''))).toEqual([
      'api/changes',
      'api/changes?cursor=c+d',
    ]);
  });

  it.each([
    {},
    { cursor: 'c', complete: true },
    { cursor: 1, complete: true, messages: [] },
    { cursor: 'c', complete: true, messages: [1] },
  ])('is not believed where it breaks the contract: %o', async (body) => {
    const server = { ...answering(200), request: async () => Response.json(body) };
    await expect(changes(server, null, signal)).rejects.toThrow();
  });

  it('is no answer where the server refuses', async () => {
    await expect(changes(answering(503), null, signal)).rejects.toThrow();
  });
});
