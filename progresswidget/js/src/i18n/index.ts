/**
 * What the bar says, in the language of the page.
 *
 * The kernel's twin for the terminal and the saved notebook is `progresswidget/texts.py`.
 */

import type { JobError } from '../protocol';
import { CHINESE } from './chinese';
import { CHINESE_ERRORS } from './chinese_errors';
import { ENGLISH } from './english';
import type { ErrorText, Messages } from './messages';

export { CHINESE } from './chinese';
export { ENGLISH } from './english';
export type { Messages } from './messages';

/**
 * Choose the table: the host's own language first, then the page's, then the browser's.
 *
 * @param languages Tags such as `en`, `zh_CN` or `zh-Hans`, most wanted first; empty ones and
 *   `default` say nothing.
 */
export function messagesFor(...languages: readonly (string | null | undefined)[]): Messages {
  for (const language of languages) {
    if (!language || language === 'default') continue;
    return /^zh\b|^zh_/i.test(language) ? CHINESE : ENGLISH;
  }
  return ENGLISH;
}

/**
 * The words for a job's error in this language.
 *
 * The engine says in English what is wrong with which value; in Chinese that stands below a
 * sentence that says what it is about.
 */
export function errorText(messages: Messages, error: JobError): ErrorText {
  if (Object.hasOwn(messages.error, error.code)) {
    return messages.error[error.code as keyof Messages['error']];
  }
  if (messages.locale !== CHINESE.locale || !Object.hasOwn(CHINESE_ERRORS, error.code))
    return error;
  const message = CHINESE_ERRORS[error.code] ?? error.message;
  return { message, hint: `${error.message} ${error.hint}`.trim() };
}
