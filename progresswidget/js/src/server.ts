/** A progresswidget server as a page sees it: its address, its requests, its channel. */

import { type Channel, sharedChannel } from './channel/channel';
import type { Environment, Health } from './channel/environment';
import { MalformedError } from './fields';
import { decodeChanges, decodeServerFrame } from './frames';
import {
  type Changes,
  type JobRecord,
  type Position,
  type ServerMessage,
  SUBPROTOCOL,
} from './protocol';
import { decodeRecord } from './record';
import { xsrfToken } from './xsrf';

export interface Server {
  /** Absolute address, with the slash: `https://host/user/alice/progresswidget/`. */
  readonly base: string;
  readonly socketUrl: string;
  /** `fetch` with whatever the host needs for login and XSRF. */
  request(url: string, init: RequestInit): Promise<Response>;
}

/** Build the server below `baseUrl`, a path or an address, of the page at `origin`. */
export function pageServer(baseUrl: string, origin: string, token = ''): Server {
  const base = new URL('progresswidget/', new URL(withSlash(baseUrl), origin)).href;
  return {
    base,
    socketUrl: socketUrl(base),
    request: (url, init) => fetch(url, withCredentials(init, token)),
  };
}

export function socketUrl(base: string): string {
  const url = new URL('ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Read the address of the Jupyter server from the page, as JupyterLab and Notebook write it.
 * Null in hosts that have none: VS Code, Colab, a static page.
 */
export function serverOfPage(page: Document, origin: string): Server | null {
  const text = page.getElementById('jupyter-config-data')?.textContent;
  if (!text) return null;
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return null;
  }
  const { baseUrl, token } = config as { baseUrl?: unknown; token?: unknown };
  if (typeof baseUrl !== 'string') return null;
  return pageServer(baseUrl, origin, typeof token === 'string' ? token : '');
}

export function channelOf(server: Server): Channel {
  return sharedChannel(server.base, () => browserEnvironment(server));
}

export function browserEnvironment(server: Server): Environment {
  return {
    // Cookies only, as JupyterLab does: no token of ours is ever part of an address.
    open: () => new WebSocket(server.socketUrl, SUBPROTOCOL),
    health: () => health(server),
    poll: (position, wait, signal) => poll(server, position, wait, signal),
    changes: (cursor, signal) => changes(server, cursor, signal),
    now: () => performance.now(),
    setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
    clearTimeout: (timer) => clearTimeout(timer as number),
    random: Math.random,
    visible: () => document.visibilityState === 'visible',
    warn: (message, ...error) => {
      // biome-ignore lint/suspicious/noConsole: nowhere else would a person find it.
      console.warn(`progresswidget: ${message}`, ...error);
    },
    onWake(run) {
      const listening = new AbortController();
      const { signal } = listening;
      window.addEventListener('online', run, { signal });
      document.addEventListener(
        'visibilitychange',
        () => {
          if (document.visibilityState === 'visible') run();
        },
        { signal },
      );
      return () => listening.abort();
    },
  };
}

/** Milliseconds in which a server says how it is. */
const HEALTH_LIMIT = 10_000;

export async function health(server: Server): Promise<Health> {
  let response: Response;
  try {
    // On a network that has fallen silent the browser itself would wait for minutes.
    const signal = AbortSignal.timeout(HEALTH_LIMIT);
    response = await server.request(`${server.base}api/health`, { method: 'GET', signal });
  } catch {
    return 'unreachable';
  }
  if (response.status === 401) return 'login';
  if (response.status === 403) return 'forbidden';
  if (response.status !== 404) return 'present';
  // Jupyter's own 404 for an address that nobody serves has no code; an older server of ours has.
  return typeof (await problemCode(response)) === 'string' ? 'present' : 'absent';
}

/**
 * Ask what came after a position, as a `subscribe` would: by plain HTTP, and for one task.
 *
 * @param wait Whether the server may keep its answer back until there is something to say.
 * @throws Error if no answer comes that can be read.
 */
export async function poll(
  server: Server,
  { taskId, epoch, seq }: Position,
  wait: boolean,
  signal: AbortSignal,
): Promise<ServerMessage> {
  const url = new URL(`api/jobs/${taskId}`, server.base);
  url.searchParams.set('since', String(seq ?? 0));
  if (epoch !== undefined) url.searchParams.set('epoch', epoch);
  if (!wait) url.searchParams.set('wait', '0');
  const response = await server.request(url.href, { signal });
  if (response.ok) return decodeServerFrame(await response.text());
  const code = response.status === 404 ? await problemCode(response) : null;
  if (code !== 'task-not-found') throw new Error(`the server answered ${response.status}`);
  return { type: 'error', re: null, code, message: '', taskId, temporary: false };
}

/**
 * Ask for all tasks and transfers, or with a cursor for what has changed since.
 *
 * @throws Error if no answer comes that can be read.
 */
export async function changes(
  server: Server,
  cursor: string | null,
  signal: AbortSignal,
): Promise<Changes> {
  const url = new URL('api/changes', server.base);
  if (cursor !== null) url.searchParams.set('cursor', cursor);
  const response = await server.request(url.href, { signal });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return decodeChanges(await response.json());
}

/** The `code` of an error's body, where it has one. */
export async function problemCode(response: Response): Promise<unknown> {
  try {
    return ((await response.json()) as { code?: unknown } | null)?.code;
  } catch {
    return undefined;
  }
}

/** Ask for one job; null if the server does not know it, undefined if it cannot be asked. */
export async function fetchJob(
  server: Server,
  taskId: string,
  signal: AbortSignal,
): Promise<JobRecord | null | undefined> {
  try {
    const response = await server.request(`${server.base}api/jobs/${taskId}`, { signal });
    if (response.status === 404) return null;
    return response.ok ? decodeRecord(await response.json()) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * List the jobs of a notebook, newest first; an entry that cannot be read is left out.
 *
 * Null where the server refuses: it has no such extension, or no such jobs for this person.
 *
 * @throws Error if the server cannot be reached or is in trouble: a later try may fare better.
 */
export async function fetchJobsOfNotebook(
  server: Server,
  path: string,
  signal: AbortSignal,
): Promise<JobRecord[] | null> {
  const url = new URL('api/jobs', server.base);
  url.searchParams.set('notebook', path);
  const response = await server.request(url.href, { signal });
  if (response.status >= 500) throw new Error(`the server answered ${response.status}`);
  if (!response.ok) return null;
  const list: unknown = await response.json();
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry) => {
    try {
      return [decodeRecord(entry)];
    } catch (error) {
      if (error instanceof MalformedError) return [];
      throw error;
    }
  });
}

function withCredentials(init: RequestInit, token: string): RequestInit {
  const headers = new Headers(init.headers);
  const xsrf = xsrfToken();
  if (xsrf !== null) headers.set('X-XSRFToken', xsrf);
  if (token !== '') headers.set('Authorization', `token ${token}`);
  return { cache: 'no-store', credentials: 'same-origin', ...init, headers };
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}
