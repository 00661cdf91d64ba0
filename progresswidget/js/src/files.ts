/** Files of the server that no export made: their addresses, archives of them, and links to them. */

import { offer, probe } from './browser_download';
import { problemCode, type Server } from './server';

/** Why a file cannot be had or given away; each has its sentence in `i18n`. */
export const FILE_FAILURES = [
  'unreachable',
  'login',
  'forbidden',
  'missing',
  'tooMany',
  'tooLarge',
  'busy',
  'tooManyLinks',
  'noLinks',
  'refused',
] as const;

export type FileFailureKey = (typeof FILE_FAILURES)[number];

export class FileFailure extends Error {
  override readonly name = 'FileFailure';

  constructor(readonly key: FileFailureKey) {
    super(key);
  }
}

/** A signed link to a file, as its owner sees it. */
export interface Link {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** The open links to a file, the newest first, and how many seconds one may be open. */
export interface Links {
  readonly longest: number;
  readonly links: readonly Link[];
}

/** The address of a file below the server's root. */
export function contentsAddress({ base }: Server, path: string): string {
  return new URL(`contents/${encodePath(path)}`, base).href;
}

/** The address of a ZIP of some names in a folder, or of the whole folder where there are none. */
export function archiveAddress({ base }: Server, folder: string, names: readonly string[]): string {
  const url = new URL(`archives/${encodePath(folder)}`, base);
  url.searchParams.set('format', 'zip');
  for (const name of names) url.searchParams.append('name', name);
  return url.href;
}

/**
 * Let the browser download an address by itself.
 *
 * @throws FileFailure if it cannot be had: a failed download would open an empty tab.
 */
export async function downloadFile(url: string, name: string): Promise<void> {
  const response = await reached(probe(url));
  // A HEAD has no body that could tell more.
  if (!response.ok) throw new FileFailure(DOWNLOAD[response.status] ?? 'refused');
  offer(url, name);
}

/** @throws FileFailure */
export async function openLinks(server: Server, path: string): Promise<Links> {
  const response = await reached(server.request(linksAddress(server, path), { method: 'GET' }));
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as Links;
}

/**
 * Make a link to a file as it is now.
 *
 * @param seconds For which it is open.
 * @returns The link, and its address: it is told this once.
 * @throws FileFailure
 */
export async function makeLink(
  server: Server,
  path: string,
  seconds: number,
): Promise<Link & { readonly url: string }> {
  const asked = server.request(linksAddress(server, path), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ expires: seconds }),
  });
  const response = await reached(asked);
  if (!response.ok) throw await refusal(response);
  const link = (await response.json()) as Link & { readonly url: string };
  return { ...link, url: new URL(link.url, server.base).href };
}

/**
 * Close all links to a file, or one.
 *
 * @throws FileFailure
 */
export async function closeLinks(server: Server, path: string, id?: string): Promise<void> {
  const url = new URL(linksAddress(server, path));
  if (id !== undefined) url.searchParams.set('id', id);
  const response = await reached(server.request(url.href, { method: 'DELETE' }));
  // One that is closed already is closed.
  if (!response.ok && response.status !== 404) throw await refusal(response);
}

function linksAddress({ base }: Server, path: string): string {
  return new URL(`api/links/${encodePath(path)}`, base).href;
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

async function reached(asked: Promise<Response>): Promise<Response> {
  try {
    return await asked;
  } catch {
    throw new FileFailure('unreachable');
  }
}

async function refusal(response: Response): Promise<FileFailure> {
  const code = await problemCode(response);
  if (code === 'too-many-links') return new FileFailure('tooManyLinks');
  return new FileFailure(DOWNLOAD[response.status] ?? 'refused');
}

const DOWNLOAD: Readonly<Record<number, FileFailureKey>> = {
  400: 'tooMany',
  401: 'login',
  403: 'forbidden',
  404: 'missing',
  410: 'missing',
  413: 'tooLarge',
  414: 'tooMany',
  429: 'busy',
  431: 'tooMany',
};
