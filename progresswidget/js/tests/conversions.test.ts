import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ConversionFailure,
  type ConversionFailureKey,
  convert,
  fetchOffers,
  runningConversions,
} from '../src/exporting/conversions';
import { EXPORT_WORDS } from '../src/exporting/words';
import type { Server } from '../src/server';
import { record, TASK } from './records';

const ORDER = {
  source: 'data/sales.parquet',
  target: 'data/sales.csv',
  format: 'csv',
  overwrite: false,
  options: { delimiter: ';' },
};

interface Asked {
  readonly url: string;
  readonly init: RequestInit;
}

function answering(status: number, body: unknown, asked: Asked[] = []): Server {
  const request = async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  };
  return { base: 'http://localhost/progresswidget/', request } as unknown as Server;
}

async function failureOf(work: Promise<unknown>): Promise<ConversionFailureKey> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConversionFailure);
  return (error as ConversionFailure).key;
}

/** What the server refuses with, and what a person reads of it. */
const REFUSALS: readonly (readonly [number, string, ConversionFailureKey])[] = [
  [409, 'target-exists', 'exists'],
  [400, 'name-refused', 'refusedName'],
  [403, 'hidden', 'refusedName'],
  [403, 'not-a-file', 'refusedName'],
  [403, 'not-writable', 'notWritable'],
  [415, 'not-readable-data', 'notData'],
  [400, 'malformed', 'same'],
  [403, 'conversions-off', 'off'],
  [429, 'too-many-conversions', 'busy'],
  [503, 'too-many-jobs', 'busy'],
  // By the status alone, where the code has no sentence of its own.
  [403, 'outside-roots', 'forbidden'],
  [404, 'not-found', 'missing'],
  [422, 'key-reused', 'refused'],
];

describe('a conversion that is refused', () => {
  it.each(REFUSALS)('with %i %s says %j', async (status, code, key) => {
    const server = answering(status, { code, message: 'no', hint: '' });
    expect(await failureOf(convert(server, ORDER, 'key'))).toBe(key);
  });

  it.each(REFUSALS)('%i %s is what the server says', (status, code) => {
    const url = new URL('../../../jupyter_server_ext/errors.py', import.meta.url);
    const row = new RegExp(`"${code}": \\(\\s*${status},`);
    expect(readFileSync(url, 'utf8')).toMatch(row);
  });

  it.each([
    [401, 'login'],
    [403, 'forbidden'],
    [404, 'missing'],
    [500, 'refused'],
  ] as const)('with %i of a proxy says %j', async (status, key) => {
    expect(await failureOf(fetchOffers(answering(status, '<html>')))).toBe(key);
  });

  it('where nobody answers says so', async () => {
    const request = () => Promise.reject(new TypeError('Failed to fetch'));
    const server = { base: 'http://localhost/', request } as unknown as Server;
    expect(await failureOf(convert(server, ORDER, 'key'))).toBe('unreachable');
    expect(await runningConversions(server)).toEqual([]);
  });

  it('says each in each language', () => {
    for (const words of Object.values(EXPORT_WORDS)) {
      const said = new Set(REFUSALS.map(([, , key]) => words.failure[key]));
      expect(said).not.toContain(undefined);
      expect(said.size).toBe(new Set(REFUSALS.map(([, , key]) => key)).size);
    }
  });
});

it('sends one order under its key, and reads the job', async () => {
  const asked: Asked[] = [];
  const made = await convert(answering(201, record(), asked), ORDER, 'a wish');
  expect(made.taskId).toBe(TASK);
  const [{ url, init }] = asked as [Asked];
  expect(url).toBe('http://localhost/progresswidget/api/conversions');
  expect(init.method).toBe('POST');
  expect(new Headers(init.headers).get('Idempotency-Key')).toBe('"a wish"');
  expect(JSON.parse(String(init.body))).toEqual(ORDER);
  const odd = answering(201, { taskId: 'broken' });
  expect(await failureOf(convert(odd, ORDER, 'key'))).toBe('refused');
});
