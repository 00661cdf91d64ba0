/** The tables of words, in the language that JupyterLab speaks. */

import type { ITranslator } from '@jupyterlab/translation';
import { type ExportWords, exportWords } from '../exporting/words';
import type { Messages } from '../i18n';
import { type LabWords, labWordsOf, withConversions } from '../i18n/lab';
import { type Language, speechOf } from '../i18n/speech';

export interface Words {
  readonly messages: Messages;
  readonly words: LabWords;
  readonly exporting: ExportWords;
}

export function wordsOf(translator: ITranslator | null): Words {
  const { messages, say } = speechOf(
    languageOf(translator),
    document.documentElement.lang,
    navigator.language,
  );
  const words = say(labWordsOf(messages));
  return {
    messages: withConversions(messages, words),
    words,
    exporting: say(exportWords(messages)),
  };
}

export function messagesOf(translator: ITranslator | null): Messages {
  return wordsOf(translator).messages;
}

/** What JupyterLab speaks, and how it says our texts. */
export function languageOf(translator: ITranslator | null): Language | null {
  if (!translator?.languageCode) return null;
  const bundle = translator.load('progresswidget');
  return { code: translator.languageCode, say: (text) => bundle.__(text) };
}
