import { afterEach, describe, expect, it } from 'vitest';
import { DIALOG_WORDS, dialogWords } from '../src/exporting/dialog_words';
import { CHINESE, ENGLISH } from '../src/i18n';
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
