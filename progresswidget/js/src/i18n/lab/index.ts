/** What JupyterLab says of exports, in the language of the page. */

import { CHINESE, type Messages } from '..';
import { LAB_CHINESE } from './chinese';
import { LAB_ENGLISH } from './english';
import type { LabWords } from './words';

export { LAB_CHINESE } from './chinese';
export { LAB_ENGLISH } from './english';
export type { DiskPart, ExportsCommand, LabWords, SchemaText } from './words';

/** The bar's table with what is said of uploads, for the bars of those. */
export function withUploads(messages: Messages, { upload }: LabWords): Messages {
  const { transfer } = messages;
  const failure = { ...transfer.failure, ...upload.failure };
  return { ...messages, transfer: { ...transfer, ...upload.said, failure } };
}

/** The bar's table with what ends conversions, which JupyterLab alone begins. */
export function withConversions(messages: Messages, { conversionError }: LabWords): Messages {
  return { ...messages, error: { ...messages.error, ...conversionError } };
}

/** The table beside that of the bar. */
export function labWordsOf(messages: Messages): LabWords {
  return messages === CHINESE ? LAB_CHINESE : LAB_ENGLISH;
}
