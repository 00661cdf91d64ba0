import { describe, expect, it } from 'vitest';
import { takesDrop, thresholdOf } from '../src/lab/drop';
import { TemporaryError, TransferError } from '../src/transfer';
import {
  ChunkSize,
  encodeMetadata,
  type FileMark,
  freeName,
  isSameFile,
  judge,
  LARGEST_CHUNK,
  readOffset,
  type TusAnswer,
} from '../src/upload/plan';

const answer = (status: number, code = '', fields: Record<string, string> = {}): TusAnswer => ({
  status,
  code,
  message: 'It is Sunday.',
  get: (name) => fields[name] ?? null,
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('the size of requests', () => {
  it('grows where they are quick, up to a few MiB', () => {
    const size = new ChunkSize();
    for (let n = 0; n < 10; n += 1) size.passed(size.bytes, 10);
    expect(size.bytes).toBe(LARGEST_CHUNK);
  });

  it('shrinks where they are slow, so that the bar moves', () => {
    const size = new ChunkSize();
    for (let n = 0; n < 10; n += 1) size.passed(size.bytes, (size.bytes / 200_000) * 1000);
    expect(size.bytes).toBe(160_000);
  });

  it('never grows again beyond what a proxy takes', () => {
    const size = new ChunkSize();
    size.passed(size.bytes, 10);
    expect(size.refuse()).toBe(true);
    const limit = size.bytes;
    for (let n = 0; n < 10; n += 1) size.passed(size.bytes, 10);
    expect(size.bytes).toBe(limit);
  });

  it('has an end below', () => {
    const size = new ChunkSize();
    let times = 0;
    while (size.refuse()) times += 1;
    expect(times).toBe(4);
    expect(size.bytes).toBe(65_536);
  });
});

it('metadata is Base64 of UTF-8, and may be empty', () => {
  expect(encodeMetadata({ filename: '数据.csv', path: '' })).toBe(
    'filename 5pWw5o2uLmNzdg==,path ',
  );
});

describe('an answer', () => {
  it.each([
    [200, '', 'accepted'],
    [201, '', 'accepted'],
    [204, '', 'accepted'],
    [404, 'upload-not-found', 'lost'],
    [410, 'upload-gone', 'lost'],
    [409, 'offset-conflict', 'ask'],
    [413, 'too-large', 'smaller'],
  ] as const)('%d %s is %s', (status, code, verdict) => {
    expect(judge(answer(status, code))).toBe(verdict);
  });

  it.each([
    [401, '', 'login'],
    [403, '', 'forbidden'],
    [403, 'forbidden', 'forbidden'],
    [403, 'not-writable', 'refused'],
    [400, 'name-refused', 'refused'],
    [409, 'target-exists', 'exists'],
    [409, 'upload-taken-over', 'conflict'],
    [409, 'folder-missing', 'refused'],
    [412, 'tus-version', 'refused'],
    [507, 'disk-full', 'serverFull'],
    [507, 'quota-exceeded', 'quota'],
  ] as const)('%d %s ends it: %s', (status, code, failure) => {
    const error = thrown(() => judge(answer(status, code)));
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ failure });
  });

  it.each([
    [408, 'upload-idle', null],
    [423, 'upload-locked', null],
    [429, 'too-many-uploads', 3_000],
    [460, 'checksum-mismatch', null],
    [500, 'internal', 3_000],
    [502, '', 3_000],
    [503, 'starting', 3_000],
  ] as const)('%d %s is worth another try', (status, code, after) => {
    const fields: Record<string, string> = after === null ? {} : { 'Retry-After': '3' };
    const error = thrown(() => judge(answer(status, code, fields)));
    expect(error).toBeInstanceOf(TemporaryError);
    expect(error).toMatchObject({ after });
  });

  it.each([
    ['0', 0],
    ['100', 100],
    ['101', null],
    ['-1', null],
    ['1e2', null],
    [undefined, null],
  ] as const)('tells how much is there: %s', (value, expected) => {
    const fields: Record<string, string> = value === undefined ? {} : { 'Upload-Offset': value };
    expect(readOffset(answer(204, '', fields), 100)).toBe(expected);
  });
});

describe('a file that is picked again', () => {
  const mark: FileMark = { name: 'a.csv', size: 10, modified: 1_712_000_000_000, prefix: 'cGU=' };

  it('is the same where everything that can be known agrees', () => {
    expect(isSameFile(mark, { ...mark })).toBe(true);
  });

  it.each([
    ['name', 'b.csv'],
    ['size', 11],
    ['modified', 1_712_000_000_001],
    ['prefix', 'cGY='],
  ])('is another one with another %s', (field, value) => {
    expect(isSameFile(mark, { ...mark, [field]: value })).toBe(false);
  });
});

describe('a drop', () => {
  const file = (size: number) => ({ isFolder: false, size });

  it.each([
    ['is ours where one file is large', [file(1), file(100)], 100, true],
    ['is JupyterLab’s where all are small', [file(1), file(99)], 100, false],
    ['is ours with a folder in it', [file(1), { isFolder: true, size: 0 }], 100, true],
    ['is JupyterLab’s with a folder, too', [{ isFolder: true, size: 0 }], null, false],
    ['is JupyterLab’s where the setting says so', [file(100)], null, false],
    ['is ours where the setting says so', [file(0)], 0, true],
    ['of no files is not ours', [], 0, false],
  ] as const)('%s', (_, dropped, from, expected) => {
    expect(takesDrop(dropped, from)).toBe(expected);
  });

  it.each([
    [15, 15_000_000],
    [0, 0],
    [-1, null],
    ['15', null],
  ])('from a setting of %s', (setting, expected) => {
    expect(thresholdOf(setting)).toBe(expected);
  });
});

describe('a free name', () => {
  it.each([
    ['data.csv', [], 'data.csv'],
    ['data.csv', ['data.csv'], 'data (1).csv'],
    ['data.csv', ['data.csv', 'data (1).csv', 'data (2).csv'], 'data (3).csv'],
    ['all.tar.gz', ['all.tar.gz'], 'all (1).tar.gz'],
    ['v1.2.csv', ['v1.2.csv'], 'v1.2 (1).csv'],
    ['Makefile', ['Makefile'], 'Makefile (1)'],
    ['.profile', ['.profile'], '.profile (1)'],
  ])('for %s beside %j', (name, taken, free) => {
    expect(freeName(name, new Set(taken))).toBe(free);
  });
});
