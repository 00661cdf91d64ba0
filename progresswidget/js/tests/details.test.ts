import { describe, expect, it } from 'vitest';
import { CHINESE, ENGLISH } from '../src/i18n';
import type { JobRecord } from '../src/protocol';
import { detailsOf } from '../src/view/details';
import { formatDuration, formatExactly } from '../src/view/format';
import { DONE, record, SHA256 } from './records';

const plain = (text = '') => text.replaceAll(/[\u00a0\u202f]/g, ' ');
const told = (record: JobRecord, zone = 'UTC') =>
  Object.fromEntries(
    detailsOf(record, ENGLISH, zone).map(({ name, text, list }) => [
      name,
      list ? [...list, ...(text ? [text] : [])] : plain(text),
    ]),
  );

describe('the details', () => {
  it('are all that is known', () => {
    expect(told({ ...DONE, generation: 2, reused: 1_000_000 })).toEqual({
      path: '/home/alice/flights.csv',
      format: 'CSV · text/csv',
      columns: [
        ['year', 'int64'],
        ['month', 'int64'],
        ['carrier', 'string'],
        ['flight', 'int64'],
        ['distance', 'double'],
        'and 14 more',
      ],
      options: [
        ['delimiter', ';'],
        ['bom', 'True'],
      ],
      started: 'Apr 1, 2024, 7:33:20 PM UTC',
      ended: 'Apr 1, 2024, 7:33:26 PM UTC',
      kept: '1,000,000 of 3,367,760 (29%)',
      run: 'Number 2 of this export',
      digest: SHA256,
    });
  });

  it('say nothing of what is not known', () => {
    const bare = record({ started: null, schema: '', options: '', rows: 0, columns: 0 });
    expect(Object.keys(told(bare))).toEqual(['path', 'format']);
  });

  it('say of a transfer how many bytes were there', () => {
    const half = { ...DONE, kind: 'download', rows: 40_000_000, reused: 20_000_000 };
    expect(told(half).kept).toBe('20.0 MB of 40.0 MB (50%)');
    expect(told({ ...half, reused: 0 }).kept).toBe('Nothing: all of it was written anew');
  });

  it('say nothing that another report would make untrue', () => {
    const half = record({ rows: 40, reused: 20 });
    expect(told(half).kept).toBe('20');
    expect(told({ ...half, rows: 41 })).toEqual(told(half));
    expect(told({ ...half, reused: 0 }).kept).toBeUndefined();
  });

  it.each(['group', 'task'])('say of a %s nothing of what was kept', (kind) => {
    expect(told({ ...DONE, kind }).kept).toBeUndefined();
    expect(told({ ...DONE, kind, reused: 3 }).kept).toBeUndefined();
  });
});

// Each side of the date line, half hours, and both sides of a change of the clocks.
describe.each([
  ['UTC', 'Mar 31, 2024, 12:59:59 AM UTC', 'Mar 31, 2024, 1:00:00 AM UTC'],
  ['Europe/Zurich', 'Mar 31, 2024, 1:59:59 AM GMT+1', 'Mar 31, 2024, 3:00:00 AM GMT+2'],
  ['America/Los_Angeles', 'Mar 30, 2024, 5:59:59 PM PDT', 'Mar 30, 2024, 6:00:00 PM PDT'],
  ['Asia/Kolkata', 'Mar 31, 2024, 6:29:59 AM GMT+5:30', 'Mar 31, 2024, 6:30:00 AM GMT+5:30'],
  ['Asia/Shanghai', 'Mar 31, 2024, 8:59:59 AM GMT+8', 'Mar 31, 2024, 9:00:00 AM GMT+8'],
  ['Pacific/Kiritimati', 'Mar 31, 2024, 2:59:59 PM GMT+14', 'Mar 31, 2024, 3:00:00 PM GMT+14'],
  ['Pacific/Pago_Pago', 'Mar 30, 2024, 1:59:59 PM GMT-11', 'Mar 30, 2024, 2:00:00 PM GMT-11'],
])('in the zone %s', (zone, before, after) => {
  const change = Date.UTC(2024, 2, 31, 1);

  it('a moment is that of the person', () => {
    expect(plain(formatExactly(change - 1000, 'en', zone))).toBe(before);
    expect(plain(formatExactly(change, 'en', zone))).toBe(after);
  });

  it('what a job took is the same everywhere', () => {
    const at = record({ started: change - 1000, ended: change + 1000 });
    expect(told(at, zone)).toMatchObject({ started: before });
    expect(plain(formatDuration(2, 'en'))).toBe('2.0 s');
  });
});

it('uses the zone of the machine where none is named', () => {
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  expect(formatExactly(0, 'en')).toBe(formatExactly(0, 'en', here));
});

it('writes moments and durations as the language does', () => {
  expect(plain(formatExactly(1_712_000_000_000, 'zh', 'Asia/Shanghai'))).toBe(
    '2024年4月2日 GMT+8 3:33:20',
  );
  expect(plain(formatDuration(12, 'zh'))).toBe('12秒');
  expect(plain(formatDuration(3.14, 'zh'))).toBe('3.1秒');
  expect(plain(formatDuration(185, 'zh'))).toBe('3:05');
  expect(CHINESE.details.keptOf('1', '2', '50%')).toBe('1 / 2（50%）');
});
