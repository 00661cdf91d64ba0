/** How a page hears of a job, in words, and whether it is heard itself. */

import type { Connection } from '../channel/connection';
import type { Messages } from '../i18n';
import type { JobRecord } from '../protocol';

/** Over the comm a kernel hears nothing while a cell blocks it. */
export function isDeaf(connection: Connection, record: JobRecord): boolean {
  return connection.kind === 'comm' && !record.background;
}

/** How the page hears of a job, in words. */
export function linkText(
  connection: Connection,
  record: JobRecord | null,
  messages: Messages,
): string {
  switch (connection.kind) {
    case 'comm':
      return record && isDeaf(connection, record) ? messages.stopByHand : messages.live;
    case 'saved':
      return messages.saved;
    case 'polling':
      return messages.polling;
    case 'reconnecting':
      return reconnectingText(connection, messages);
    case 'offline':
      return messages.offline[connection.reason];
    case 'connecting':
      return messages.connecting;
    default:
      return messages.live;
  }
}

function reconnectingText(
  { attempt, of, cause }: Extract<Connection, { kind: 'reconnecting' }>,
  messages: Messages,
): string {
  return messages.reconnecting(attempt, of, cause && messages.loss[cause]);
}
