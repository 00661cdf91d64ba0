/** In which language all tables are said, and what a host's translator makes of the English ones. */

import { ENGLISH, type Messages, messagesFor } from '.';
import { translated } from './translated';

/** The language of a host that has a translator, as JupyterLab does. */
export interface Language {
  /** A tag such as `fr` or `zh_CN`. */
  readonly code: string;
  /** From an English text to another language; what it does not know it gives back. */
  readonly say: (text: string) => string;
}

export interface Speech {
  readonly messages: Messages;
  /** Say any other table in the same language. */
  readonly say: <T>(table: T) => T;
}

/**
 * Choose our own tables where there are any, and say the English ones by the host's translator where
 * it knows them.
 *
 * @param others Tags that count where the host says nothing, most wanted first.
 */
export function speechOf(
  language: Language | null,
  ...others: readonly (string | null | undefined)[]
): Speech {
  const messages = messagesFor(language?.code, ...others);
  const own: Speech = { messages, say: (table) => table };
  if (messages !== ENGLISH || !language || /^en\b|^en_/.test(language.code)) return own;
  // Of a translator that knows nothing of ours English is left, with English numbers.
  if (language.say(messages.connecting) === messages.connecting) return own;
  const say = <T>(table: T): T => translated(table, language.say);
  return { messages: { ...say(messages), locale: language.code.replaceAll('_', '-') }, say };
}

const PLACE = Symbol.for('progresswidget.language');

/** Leave the language of the host where the widgets of this page find it: they are given nothing. */
export function leaveLanguage(language: Language | null): void {
  Object.assign(globalThis, { [PLACE]: language });
}

/** What `leaveLanguage` has left; null in a page of another host. */
export function languageOfHost(): Language | null {
  return (globalThis as { [PLACE]?: Language | null })[PLACE] ?? null;
}
