/** The tables of words, in the language that JupyterLab speaks. */

import type { ITranslator } from '@jupyterlab/translation';
import { type Messages, messagesFor } from '../i18n';

export function messagesOf(translator: ITranslator | null): Messages {
  return messagesFor(translator?.languageCode, document.documentElement.lang, navigator.language);
}
