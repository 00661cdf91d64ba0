/**
 * What the bar says, in the language of the page.
 *
 * The kernel's twin for the terminal and the saved notebook is `progresswidget/texts.py`.
 */

import type { JobError } from '../protocol';
import { CHINESE } from './chinese';
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

/** The words for a job's error in this language, or the server's own. */
export function errorText(messages: Messages, error: JobError): ErrorText {
  return Object.hasOwn(messages.error, error.code)
    ? messages.error[error.code as keyof Messages['error']]
    : error;
}
