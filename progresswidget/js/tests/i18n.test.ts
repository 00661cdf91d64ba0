import { describe, expect, it } from 'vitest';
import { CHINESE, ENGLISH, errorText, type Messages, messagesFor } from '../src/i18n';

describe('the choice of the language', () => {
  it.each([
    [['zh-CN'], CHINESE],
    [['zh_CN'], CHINESE],
    [['zh'], CHINESE],
    [['ZH-hant-TW'], CHINESE],
    [['en-US', 'zh-CN'], ENGLISH],
    [['', null, undefined, 'default', 'zh-CN'], CHINESE],
    [['de'], ENGLISH],
    [['zha'], ENGLISH],
    [[], ENGLISH],
  ] as [(string | null | undefined)[], Messages][])('%j', (languages, table) => {
    expect(messagesFor(...languages)).toBe(table);
  });
});

/** Every text of a table with the path to it; functions are called with marks. */
function texts(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') return [[path, value('<1>', '<2>', '<3>')]];
  return Object.entries(value as object).flatMap(([name, inner]) =>
    texts(inner, `${path}.${name}`),
  );
}

describe('the tables', () => {
  it('say everything in both languages, and nothing is left untranslated', () => {
    const english = new Map(texts(ENGLISH));
    const chinese = new Map(texts(CHINESE));
    expect([...chinese.keys()]).toEqual([...english.keys()]);
    for (const [path, text] of chinese) {
      expect(text, path).not.toBe('');
      const inner = text.replaceAll(/<\d>/g, '');
      if (/[a-z]{2}/.test(inner) && !path.includes('digest') && path !== '.locale') {
        expect(inner, path).toMatch(/\p{Script=Han}/u);
      }
    }
  });

  it('use every value that they are given', () => {
    for (const table of [ENGLISH, CHINESE]) {
      for (const [path, text] of texts(table)) {
        const wanted = ['.rowsOf', '.reconnecting'].includes(path) ? ['<1>', '<2>'] : [];
        for (const mark of wanted) expect(text, path).toContain(mark);
      }
    }
  });
});

describe('a single row', () => {
  it('is no plural', () => {
    expect(ENGLISH.rows('1')).toBe('1 row');
    expect(ENGLISH.rows('0')).toBe('0 rows');
    expect(ENGLISH.rowsOf('0', '1')).toBe('0 of 1 row');
    expect(ENGLISH.rowsOf('1', '21')).toBe('1 of 21 rows');
    expect(ENGLISH.rate('1')).toBe('1 row/s');
    expect(CHINESE.rows('1')).toBe('1 行');
    expect(ENGLISH.rowsRead('1')).toBe('1 row read');
    expect(ENGLISH.rowsRead('26,000')).toBe('26,000 rows read');
    expect(CHINESE.rowsRead('26,000')).toBe('已读取 26,000 行');
  });
});

describe('the error of a job', () => {
  it('is said in the language of the page where its code is known', () => {
    const error = { code: 'kernel-died', message: 'The kernel died.', hint: '' };
    expect(errorText(CHINESE, error)).toBe(CHINESE.error['kernel-died']);
  });

  it.each(['bad-column', 'toString', '__proto__'])('is otherwise as it came: %s', (code) => {
    const error = { code, message: 'm', hint: 'h' };
    expect(errorText(ENGLISH, error)).toEqual(error);
  });

  it.each(['new-code', 'toString', '__proto__'])(
    'has no Chinese for what it never was: %s',
    (code) => {
      const error = { code, message: 'm', hint: 'h' };
      expect(errorText(CHINESE, error)).toEqual(error);
    },
  );

  it('is about something in Chinese, with the words of the engine below', () => {
    const error = { code: 'bad-column', message: "The column 'a' has …", hint: 'Cast it.' };
    const shown = errorText(CHINESE, error);
    expect(shown.message).toMatch(/\p{Script=Han}/u);
    expect(shown.hint).toBe("The column 'a' has … Cast it.");
    expect(errorText(CHINESE, { ...error, hint: '' }).hint).toBe(error.message);
  });
});
