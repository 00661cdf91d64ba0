/** The tables of words, in the language that JupyterLab speaks. */

import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { type ExportWords, exportWords } from '../exporting/words';
import { ENGLISH, type Messages, messagesFor } from '../i18n';
import { type LabWords, labWordsOf } from '../i18n/lab';
import { translated } from '../i18n/translated';

export interface Words {
  readonly messages: Messages;
  readonly words: LabWords;
  readonly exporting: ExportWords;
}

/**
 * Choose our own tables where there are any, and say the English ones by JupyterLab's translator
 * where there is a language pack that knows them.
 */
export function wordsOf(translator: ITranslator | null): Words {
  const code = translator?.languageCode;
  const messages = messagesFor(code, document.documentElement.lang, navigator.language);
  const own = { messages, words: labWordsOf(messages), exporting: exportWords(messages) };
  const bundle = translator?.load('progresswidget');
  if (messages !== ENGLISH || !bundle || !code || /^en\b/.test(code)) return own;
  return wordsBy(bundle, code, own);
}

export function messagesOf(translator: ITranslator | null): Messages {
  return wordsOf(translator).messages;
}

function wordsBy(bundle: TranslationBundle, code: string, own: Words): Words {
  const { messages, words, exporting } = own;
  const say = (text: string) => bundle.__(text);
  // Of a pack that knows nothing of ours English is left, with English numbers.
  if (say(messages.connecting) === messages.connecting) return own;
  return {
    messages: { ...translated(messages, say), locale: code },
    words: translated(words, say),
    exporting: translated(exporting, say),
  };
}
