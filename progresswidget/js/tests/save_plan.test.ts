import { describe, expect, it } from 'vitest';
import {
  canContinue,
  checkpointIsDue,
  contentRange,
  localFailure,
  type Remote,
  readAnswer,
  reprDigest,
  requestHeaders,
  startOffset,
  UNKNOWN_REMOTE,
} from '../src/save/plan';
import { TemporaryError, TransferError } from '../src/transfer';
import { SHA256 } from './records';

const ETAG = `"sha256-${SHA256}"`;
const DIGEST = 'sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:';
const KNOWN: Remote = { etag: ETAG, size: 1000, sha256: SHA256 };

const answer = (status: number, fields: Record<string, string> = {}) => ({
  status,
  get: (name: string) => fields[name] ?? null,
});
const whole = { ETag: ETAG, 'Content-Length': '1000', 'Repr-Digest': DIGEST };
const rest = { ...whole, 'Content-Length': '600', 'Content-Range': 'bytes 400-999/1000' };

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('the place to go on', () => {
  it.each([
    ['behind what is there', 400, 400, KNOWN, 400],
    ['behind what came after the last note', 500, 400, KNOWN, 500],
    ['nowhere but at the end of the whole', 1000, 1000, KNOWN, 1000],
    ['the beginning, where somebody shortened the file', 399, 400, KNOWN, 0],
    ['the beginning, where the file is longer than the whole', 1001, 400, KNOWN, 0],
    ['the beginning, without a tag', 400, 400, { ...KNOWN, etag: null }, 0],
    ['the beginning, with a weak tag', 400, 400, { ...KNOWN, etag: 'W/"x"' }, 0],
    ['the beginning, before the first answer', 400, 0, UNKNOWN_REMOTE, 0],
  ] as [string, number, number, Remote, number][])('is %s', (_, length, kept, remote, offset) => {
    expect(startOffset(length, kept, remote)).toBe(offset);
  });

  it('is asked for under the tag, and only where there is something already', () => {
    expect(requestHeaders(0, KNOWN)).toEqual({});
    expect(requestHeaders(400, KNOWN)).toEqual({ Range: 'bytes=400-', 'If-Range': ETAG });
    expect(canContinue(KNOWN)).toBe(true);
    expect(canContinue(UNKNOWN_REMOTE)).toBe(false);
  });
});

describe('an answer', () => {
  it('tells of the whole file', () => {
    expect(readAnswer(answer(200, whole), 0, UNKNOWN_REMOTE)).toEqual({ from: 0, remote: KNOWN });
  });

  it('goes on where it was asked to, and its length is not that of the whole', () => {
    expect(readAnswer(answer(206, rest), 400, KNOWN)).toEqual({ from: 400, remote: KNOWN });
  });

  it('with the whole file instead of the rest begins again', () => {
    expect(readAnswer(answer(200, whole), 400, KNOWN).from).toBe(0);
  });

  it.each([
    ['another tag', 206, { ...rest, ETag: '"other"' }],
    ['another tag on the whole', 200, { ...whole, ETag: '"other"' }],
    ['another length', 206, { ...rest, 'Content-Range': 'bytes 400-999/1001' }],
    ['another digest', 206, { ...rest, 'Repr-Digest': DIGEST.replace('n', 'm') }],
    ['another place', 206, { ...rest, 'Content-Range': 'bytes 401-999/1000' }],
    ['no place at all', 206, { ETag: ETAG }],
    ['a failed precondition', 412, {}],
    ['no such range', 416, {}],
  ])('with %s is of another file', (_, status, fields) => {
    const error = thrown(() => readAnswer(answer(status, fields), 400, KNOWN));
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ failure: 'changed' });
  });

  it.each([
    [401, 'login'],
    [403, 'forbidden'],
    [404, 'missing'],
    [409, 'conflict'],
    [410, 'gone'],
    [400, 'refused'],
  ])('%d is final: %s', (status, failure) => {
    const error = thrown(() => readAnswer(answer(status), 0, KNOWN));
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ failure });
  });

  it.each([
    [503, { 'Retry-After': '7' }, 'notReady', 7000],
    [503, { 'Retry-After': 'Wed, 25 Nov 2026 08:00:00 GMT' }, 'notReady', null],
    [500, {}, 'refused', null],
    [429, { 'Retry-After': '1' }, 'refused', 1000],
  ])('%d is worth another try', (status, fields, failure, after) => {
    const error = thrown(() => readAnswer(answer(status, fields), 0, KNOWN));
    expect(error).toBeInstanceOf(TemporaryError);
    expect(error).toMatchObject({ failure, after });
  });
});

describe('fields', () => {
  it.each([
    ['bytes 0-9/10', { first: 0, size: 10 }],
    ['bytes 5-9/*', { first: 5, size: null }],
    ['bytes */10', null],
    ['items 0-9/10', null],
    ['', null],
    [null, null],
  ])('Content-Range: %s', (value, expected) => {
    expect(contentRange(value)).toEqual(expected);
  });

  it.each([
    [DIGEST, SHA256],
    [`sha-512=:AAAA:, ${DIGEST}`, SHA256],
    ['sha-256=:short:', null],
    ['xsha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:', null],
    [null, null],
  ])('Repr-Digest: %s', (value, expected) => {
    expect(reprDigest(value)).toBe(expected);
  });
});

it('checkpoints come every five seconds, or so seldom that they take a tenth of the time', () => {
  expect(checkpointIsDue(4_999, 0)).toBe(false);
  expect(checkpointIsDue(5_000, 0)).toBe(true);
  expect(checkpointIsDue(5_000, 1_000)).toBe(false);
  expect(checkpointIsDue(9_000, 1_000)).toBe(true);
});

it.each([
  ['QuotaExceededError', 'diskFull'],
  ['NotAllowedError', 'noPermission'],
  ['NoModificationAllowedError', 'noPermission'],
  ['NotFoundError', 'localGone'],
])('a %s of the file system has its words', (name, failure) => {
  expect(localFailure(new DOMException('', name))).toMatchObject({ failure });
});

it('what is not of the file system is not taken for it', () => {
  expect(localFailure(new TypeError('network error'))).toBeNull();
  expect(localFailure(new DOMException('', 'AbortError'))).toBeNull();
});
