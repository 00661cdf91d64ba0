/** Requests about conversions: what there can be, a new one, and one that is run again. */

import { MalformedError } from '../fields';
import type { JobRecord } from '../protocol';
import { decodeRecord } from '../record';
import { problemCode, type Server } from '../server';
import type { Offers } from './offers';

/** Why a file cannot be converted; each has its sentence in `words`. */
export type ConversionFailureKey =
  | 'unreachable'
  | 'login'
  | 'forbidden'
  | 'missing'
  | 'exists'
  | 'refusedName'
  | 'notWritable'
  | 'notData'
  | 'same'
  | 'busy'
  | 'off'
  | 'refused';

export class ConversionFailure extends Error {
  override readonly name = 'ConversionFailure';

  constructor(readonly key: ConversionFailureKey) {
    super(key);
  }
}

export interface ServerOffers extends Offers {
  /** Whether files are converted here at all. */
  readonly allowed: boolean;
  /** Whether there is an engine that can. */
  readonly engine: boolean;
}

export interface Conversion {
  readonly source: string;
  readonly target: string;
  readonly format: string;
  readonly overwrite: boolean;
  readonly options: Readonly<Record<string, unknown>>;
}

/** @throws ConversionFailure */
export async function fetchOffers(server: Server): Promise<ServerOffers> {
  const response = await asked(server.request(address(server), { method: 'GET' }));
  return (await response.json()) as ServerOffers;
}

/**
 * Have a file converted.
 *
 * @param key Of this wish: sent twice it makes one job.
 * @throws ConversionFailure
 */
export async function convert(server: Server, order: Conversion, key: string): Promise<JobRecord> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `"${key}"` },
    body: JSON.stringify(order),
  };
  return await recordOf(await asked(server.request(address(server), init)));
}

/**
 * Run one again that has ended: it goes on where it can.
 *
 * @throws ConversionFailure
 */
export async function convertAgain(server: Server, taskId: string): Promise<JobRecord> {
  const url = `${address(server)}/${encodeURIComponent(taskId)}`;
  return await recordOf(await asked(server.request(url, { method: 'POST' })));
}

/** The conversions that have not ended, of an earlier page too; none where nobody can tell. */
export async function runningConversions(server: Server): Promise<JobRecord[]> {
  const url = new URL('api/jobs', server.base);
  url.searchParams.set('status', 'queued,running,paused');
  try {
    const response = await server.request(url.href, { method: 'GET' });
    const list: unknown = response.ok ? await response.json() : [];
    const records = (Array.isArray(list) ? list : []).map(decodeRecord);
    return records.filter(({ source }) => source !== null);
  } catch {
    return [];
  }
}

function address({ base }: Server): string {
  return new URL('api/conversions', base).href;
}

async function recordOf(response: Response): Promise<JobRecord> {
  try {
    return decodeRecord(await response.json());
  } catch (error) {
    if (error instanceof MalformedError) throw new ConversionFailure('refused');
    throw error;
  }
}

async function asked(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch {
    throw new ConversionFailure('unreachable');
  }
  if (response.ok) return response;
  const code = await problemCode(response);
  const known = typeof code === 'string' ? BY_CODE[code] : undefined;
  throw new ConversionFailure(known ?? BY_STATUS[response.status] ?? 'refused');
}

const BY_CODE: Readonly<Record<string, ConversionFailureKey>> = {
  'target-exists': 'exists',
  'name-refused': 'refusedName',
  hidden: 'refusedName',
  'not-writable': 'notWritable',
  'not-readable-data': 'notData',
  'not-a-file': 'refusedName',
  malformed: 'same',
  'conversions-off': 'off',
  'too-many-conversions': 'busy',
  'too-many-jobs': 'busy',
};

const BY_STATUS: Readonly<Record<number, ConversionFailureKey>> = {
  401: 'login',
  403: 'forbidden',
  404: 'missing',
};
