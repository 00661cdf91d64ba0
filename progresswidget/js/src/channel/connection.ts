/** The states of the connection that a person sees, and what the end of a socket means for them. */

import {
  CLOSE_FORBIDDEN,
  CLOSE_LOGIN,
  CLOSE_MALFORMED,
  CLOSE_RESTART,
  CLOSE_SILENT,
  CLOSE_SLOW,
  CLOSE_STOP_FROM,
  CLOSE_STOP_TO,
  CLOSE_VERSION,
} from '../protocol';

export type OfflineReason =
  | 'unreachable'
  | 'absent'
  | 'login'
  | 'forbidden'
  | 'version'
  | 'malformed'
  | 'refused';

/** Why a connection was lost, where the server said so or its silence did. */
export type LossCause = 'restart' | 'slow' | 'silent';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** As good as live, where the network lets no WebSocket through. */
  | { readonly kind: 'polling' }
  | {
      readonly kind: 'reconnecting';
      readonly attempt: number;
      readonly of: number;
      readonly cause: LossCause | null;
    }
  | { readonly kind: 'offline'; readonly reason: OfflineReason }
  | { readonly kind: 'comm' }
  /** Neither a server nor a kernel: what was saved last. */
  | { readonly kind: 'saved' };

export function isUnreachable(connection: Connection): boolean {
  return connection.kind === 'offline' && connection.reason === 'unreachable';
}

/** Whether what the server says comes at once, and what a person wants reaches it. */
export function hears({ kind }: Connection): boolean {
  return kind === 'live' || kind === 'polling';
}

/** Why not to come back after a socket was closed with `code`; null where one should. */
export function stopReason(code: number): OfflineReason | null {
  switch (code) {
    case CLOSE_MALFORMED:
      return 'malformed';
    case CLOSE_LOGIN:
      return 'login';
    case CLOSE_FORBIDDEN:
      return 'forbidden';
    case CLOSE_VERSION:
      return 'version';
    default:
      return code >= CLOSE_STOP_FROM && code <= CLOSE_STOP_TO ? 'refused' : null;
  }
}

/** Why a connection to come back to was lost; null where the code does not say. */
export function lossCause(code: number): LossCause | null {
  switch (code) {
    case CLOSE_RESTART:
      return 'restart';
    case CLOSE_SLOW:
      return 'slow';
    case CLOSE_SILENT:
      return 'silent';
    default:
      return null;
  }
}
