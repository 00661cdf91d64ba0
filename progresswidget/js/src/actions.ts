/** What the buttons do: each answers with the new record, or with words for the person. */

import { offer, probe } from './browser_download';
import { type Action, isTerminal, type JobRecord } from './protocol';
import { decodeRecord } from './record';
import { problemCode, type Server } from './server';

/** Why something did not work; `key` names the sentence, `detail` is the server's own. */
export type FailureKey =
  | 'unreachable'
  | 'login'
  | 'forbidden'
  | 'ended'
  | 'unknownJob'
  | 'notReady'
  | 'fileGone'
  | 'noLinks'
  | 'noCell'
  | 'refused';

export class ActionFailure extends Error {
  override readonly name = 'ActionFailure';

  constructor(
    readonly key: FailureKey,
    readonly detail = '',
  ) {
    super(detail || key);
  }
}

/**
 * Ask the server to pause, resume or cancel a job.
 *
 * @throws ActionFailure if the server cannot be reached or refuses.
 */
export async function requestAction(
  server: Server,
  taskId: string,
  action: Action,
  signal: AbortSignal,
): Promise<JobRecord> {
  const response = await post(server, taskId, { action }, signal);
  try {
    return decodeRecord(await response.json());
  } catch {
    throw new ActionFailure('refused');
  }
}

/**
 * Let the browser fetch the file by itself, as any download: never a Blob in the page.
 *
 * The file is asked for first: a link that fails would open an empty tab, or save an error as the
 * file (jupyter-archive#99).
 *
 * @throws ActionFailure if the file cannot be had now.
 */
export async function download(
  server: Server,
  record: JobRecord,
  signal: AbortSignal,
): Promise<void> {
  if (record.url === null) throw new ActionFailure('fileGone');
  const address = fileAddress(server, record);
  // What is still being written comes as it grows, and fails in the end if the export does.
  const url = isTerminal(record.status) ? address : `${address}?follow=1`;
  const response = await reached(probe(url, signal), signal);
  if (response.status === 404 && (await isUnknown(server, record.taskId, signal))) {
    throw new ActionFailure('unknownJob');
  }
  if (!response.ok) throw new ActionFailure(DOWNLOAD_KEYS[response.status] ?? 'refused');
  offer(url, record.name);
}

/** Seconds for which a link of the bar is open; the file browser lets a person choose. */
const LINK_LIFETIME = 3600;

/**
 * Make an address of the file that works for an hour without signing in.
 *
 * @throws ActionFailure if the server cannot be reached or makes no such links.
 */
export async function makeLink(
  server: Server,
  { taskId }: JobRecord,
  signal: AbortSignal,
): Promise<string> {
  const response = await post(
    server,
    `${taskId}/links`,
    { expires: LINK_LIFETIME },
    signal,
    LINK_KEYS,
  );
  const { url } = (await response.json()) as { url?: unknown };
  if (typeof url !== 'string') throw new ActionFailure('refused');
  return new URL(url, server.base).href;
}

/** On the server that the page has now: the record may have been saved under another address. */
export function fileAddress({ base }: Server, { taskId, generation, name }: JobRecord): string {
  return new URL(`files/${taskId}/${generation}/${encodeURIComponent(name)}`, base).href;
}

/** A 404 of the file says nothing about the job, and a HEAD has no body that could. */
async function isUnknown(server: Server, taskId: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await server.request(`${server.base}api/jobs/${taskId}`, { signal });
    return response.status === 404 && (await problemCode(response)) === 'task-not-found';
  } catch {
    return false;
  }
}

/** Ask something of a job. */
async function post(
  server: Server,
  path: string,
  body: object,
  signal: AbortSignal,
  keys = ACTION_KEYS,
): Promise<Response> {
  const asked = server.request(`${server.base}api/jobs/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal,
    // A page that is being closed may still say what a person has asked for.
    keepalive: true,
  });
  const response = await reached(asked, signal);
  if (response.ok) return response;
  throw new ActionFailure(keys[response.status] ?? 'refused', await detail(response));
}

async function reached(asked: Promise<Response>, signal: AbortSignal): Promise<Response> {
  try {
    return await asked;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ActionFailure('unreachable');
  }
}

/** What an answer means for a person, of a request and of a download. */
const ACTION_KEYS: Readonly<Record<number, FailureKey>> = {
  401: 'login',
  403: 'forbidden',
  404: 'unknownJob',
  409: 'ended',
};
// The server has a limit to how long a link is open, and where it makes none that is 0.
const LINK_KEYS: typeof ACTION_KEYS = { ...ACTION_KEYS, 400: 'noLinks' };
const DOWNLOAD_KEYS: typeof ACTION_KEYS = {
  401: 'login',
  403: 'forbidden',
  404: 'fileGone',
  410: 'fileGone',
  503: 'notReady',
};

async function detail(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
}
