import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  isReadable,
  nameFault,
  type Offers,
  READABLE,
  renamed,
  stemOf,
  usualFormat,
} from '../src/exporting/offers';
import { EXPORT_WORDS } from '../src/exporting/words';

const format = (name: string, missing: string | null = null) => ({
  name,
  endings: [`.${name}`],
  packable: false,
  missing,
  options: [],
});

describe('a name', () => {
  it('is of a table by the endings that the server reads', () => {
    const url = new URL('../../protocol/conversions.py', import.meta.url);
    const source = readFileSync(url, 'utf8');
    for (const ending of READABLE) {
      const parts = ending.split('.').slice(1);
      for (const part of parts) expect(source).toContain(`".${part}"`);
    }
    expect(['a.parquet', 'A.CSV', 'b.csv.gz', 'c.jsonl.zst'].every(isReadable)).toBe(true);
    expect(['a.xlsx', '.csv', 'a.parquet.gz', 'csv', ''].some(isReadable)).toBe(false);
  });

  it('loses the ending of a table, and follows the format', () => {
    expect(stemOf('sales.csv.gz')).toBe('sales');
    expect(stemOf('my.sales.PARQUET')).toBe('my.sales');
    expect(stemOf('notes')).toBe('notes');
    expect(renamed('sales.csv', '.csv', '.xlsx')).toBe('sales.xlsx');
    expect(renamed('sales.dat', '.csv', '.xlsx')).toBe('sales.dat');
    expect(renamed('sales', '', '.xlsx')).toBe('sales');
  });

  it.each([
    ['', 'empty'],
    ['  ', 'empty'],
    ['..', 'empty'],
    ['a/b', 'slash'],
    ['a\\b', 'slash'],
    ['a b.csv', null],
  ])('%j has the fault %j', (name, fault) => {
    expect(nameFault(name)).toBe(fault);
  });
});

describe('the usual format', () => {
  it.each([
    ['a.parquet', [format('csv'), format('parquet')], 'csv'],
    ['a.csv', [format('csv'), format('parquet')], 'parquet'],
    ['a.csv', [format('csv'), format('parquet', 'x'), format('xlsx')], 'xlsx'],
    ['a.csv', [format('csv')], undefined],
  ])('of %s', (source, formats, expected) => {
    const offers: Offers = { formats, packings: [] };
    expect(usualFormat(offers, source)?.name).toBe(expected);
  });
});

describe('the words', () => {
  it('are the same in each language', () => {
    const shape = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shape(one)]))
        : typeof value;
    expect(shape(EXPORT_WORDS.zh)).toEqual(shape(EXPORT_WORDS.en));
  });
});
