import { afterEach, describe, expect, it } from 'vitest';
import { DIALOG_WORDS, dialogWords } from '../src/exporting/dialog_words';
import { CHINESE, ENGLISH, errorText } from '../src/i18n';
import { CHINESE_ERRORS } from '../src/i18n/chinese_errors';
import { LAB_CHINESE, LAB_ENGLISH } from '../src/i18n/lab';
import { DISK_PARTS, EXPORTS_COMMANDS } from '../src/i18n/lab/words';
import { languageOfHost, leaveLanguage, speechOf } from '../src/i18n/speech';
import { pairs } from '../src/i18n/translated';

afterEach(() => leaveLanguage(null));

const shout = (text: string) => `${text}!`;

describe('the language of a host', () => {
  it('is one of ours where we have it, whatever its translator says', () => {
    const { messages, say } = speechOf({ code: 'zh_CN', say: shout }, 'en');
    expect(messages).toBe(CHINESE);
    expect(say(dialogWords(messages))).toBe(DIALOG_WORDS.zh);
  });

  it('is what its translator makes of the English, with its own numbers', () => {
    const { messages, say } = speechOf({ code: 'fr_FR', say: shout }, 'zh');
    expect(messages.locale).toBe('fr-FR');
    expect(messages.connecting).toBe(`${ENGLISH.connecting}!`);
    expect(new Intl.NumberFormat(messages.locale).resolvedOptions().locale).toBe('fr-FR');
    const words = say(dialogWords(messages));
    expect(words.preview).toBe(`${DIALOG_WORDS.en?.preview}!`);
    expect(words.rows('7')).toBe(`${DIALOG_WORDS.en?.rows('7')}!`);
  });

  it('is English where its translator knows nothing of ours', () => {
    const { messages, say } = speechOf({ code: 'fr_FR', say: (text) => text });
    expect(messages).toBe(ENGLISH);
    expect(say(DIALOG_WORDS.en)).toBe(DIALOG_WORDS.en);
  });

  it.each(['en', 'en_GB', 'en-US'])('is not asked for English: %s', (code) => {
    expect(speechOf({ code, say: shout }).messages).toBe(ENGLISH);
  });

  it('gives way to what the page or the browser says', () => {
    expect(speechOf(null, 'zh-Hans').messages).toBe(CHINESE);
    expect(speechOf(null, '', undefined, 'de').messages).toBe(ENGLISH);
  });

  it('is found by the widgets of the page', () => {
    expect(languageOfHost()).toBeNull();
    const language = { code: 'fr', say: shout };
    leaveLanguage(language);
    expect(languageOfHost()).toBe(language);
  });

  it('knows every word of the dialog by the catalog', () => {
    const found = pairs(DIALOG_WORDS.en, DIALOG_WORDS.zh);
    expect(found.get('Filter (SQL)')).toBe('筛选（SQL）');
    expect(found.get('%1 of %2')).toBe('%1 / %2');
    expect(found.size).toBeGreaterThan(20);
  });
});

describe('the tables', () => {
  it('have a word for each command and each part of the disk', () => {
    for (const words of [LAB_ENGLISH, LAB_CHINESE]) {
      expect(Object.keys(words.command)).toEqual([...EXPORTS_COMMANDS]);
      expect(Object.keys(words.caption).sort()).toEqual([...EXPORTS_COMMANDS].sort());
      expect(DISK_PARTS.map((part) => words.diskParts[part]('5 MB'))).toSatisfy(
        (texts: string[]) =>
          texts.every((text) => text.includes('5 MB')) && new Set(texts).size === 4,
      );
    }
  });

  it.each(Object.entries(CHINESE_ERRORS))('say in Chinese what %s is about', (code, sentence) => {
    const error = { code, message: 'Column "a" is odd.', hint: 'Change it.' };
    expect(sentence).toMatch(/^[\u4e00-\u9fff].*。$/);
    expect(errorText(CHINESE, error)).toEqual({
      message: sentence,
      hint: 'Column "a" is odd. Change it.',
    });
    expect(errorText(ENGLISH, error)).toEqual(error);
  });
});
