/** Reads the frames of the server, and writes those of the page. */

import { count, flag, type Json, MalformedError, object, taskId, text } from './fields';
import {
  type Changes,
  type Hello,
  isOneOf,
  isTerminal,
  type JobEvent,
  MAX_FRAME,
  type Position,
  type ServerError,
  type ServerMessage,
  type Subscribed,
  type Target,
  type TransferRecord,
} from './protocol';
import { decodeRecord } from './record';

/**
 * Read one frame of the server.
 *
 * @throws MalformedError if the frame breaks the contract; the connection is then not to be trusted.
 */
export function decodeServerFrame(frame: unknown): ServerMessage {
  if (typeof frame !== 'string') throw new MalformedError('frames are text, not binary');
  if (frame.length > MAX_FRAME) throw new MalformedError(`a frame is at most ${MAX_FRAME} bytes`);
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch {
    throw new MalformedError('not JSON');
  }
  return decodeMessage(object(message, 'the message'));
}

/**
 * Read what has changed.
 *
 * @throws MalformedError if it breaks the contract.
 */
export function decodeChanges(value: unknown): Changes {
  const { cursor, complete, messages } = object(value, 'the answer');
  if (!Array.isArray(messages)) throw new MalformedError('messages must be a list');
  return {
    cursor: text(cursor, 'cursor'),
    complete: flag(complete, 'complete'),
    messages: messages.map((message) => decodeMessage(object(message, 'a message'))),
  };
}

function decodeMessage(message: Json): ServerMessage {
  const type = message.type;
  if (typeof type !== 'string') throw new MalformedError('type must be a text');
  switch (type) {
    case 'hello':
    case 'subscribed':
    case 'watching':
    case 'progress_update':
    case 'task_complete':
    case 'task_removed':
    case 'transfer_update':
    case 'pong':
    case 'error':
      break;
    default:
      return { type: 'unknown' };
  }
  count(message.timestamp, 'timestamp');
  const data = object(message.data, 'data');
  switch (type) {
    case 'hello':
      return decodeHello(data);
    case 'subscribed':
      return decodeSubscribed(message, data);
    case 'watching':
      return { type: 'watching', all: data.all === true, tasks: count(data.tasks, 'tasks') };
    case 'task_removed':
      return { type: 'removed', taskId: taskId(data.taskId) };
    case 'transfer_update':
      return { type: 'transfer', record: decodeTransfer(data) };
    case 'pong':
      return { type: 'pong' };
    case 'error':
      return decodeError(message, data);
    default:
      return decodeEvent(type, message, data);
  }
}

function decodeHello(data: Json): Hello {
  const heartbeat = data.heartbeat;
  if (typeof heartbeat !== 'number' || !(heartbeat > 0)) {
    throw new MalformedError('heartbeat must be seconds above 0');
  }
  return { type: 'hello', session: text(data.session, 'session'), heartbeat };
}

function decodeSubscribed(message: Json, data: Json): Subscribed {
  // Without `re` nobody has asked: the server goes on from another state.
  const position = {
    re: message.re == null ? null : count(message.re, 're'),
    taskId: taskId(data.taskId),
    epoch: text(message.epoch, 'epoch'),
    seq: count(message.seq, 'seq'),
  };
  if (data.recovered === true) {
    const events = decodeMissed(data.events, position.taskId);
    return { type: 'subscribed', ...position, snapshot: null, events };
  }
  if (data.recovered !== false) throw new MalformedError('recovered must be true or false');
  const snapshot = decodeRecord(data.snapshot);
  if (snapshot.taskId !== position.taskId) {
    throw new MalformedError('the snapshot belongs to another task');
  }
  return { type: 'subscribed', ...position, snapshot, events: [] };
}

/** Whole messages, each as it was or would have been sent by itself. */
function decodeMissed(events: unknown, taskId: string): JobEvent[] {
  if (!Array.isArray(events)) throw new MalformedError('events must be a list');
  return events.map((value) => {
    const event = decodeMessage(object(value, 'an event'));
    if (event.type !== 'event') throw new MalformedError('only events can be missed');
    if (event.record.taskId !== taskId) {
      throw new MalformedError('the event belongs to another task');
    }
    return event;
  });
}

function decodeEvent(type: string, message: Json, data: Json): JobEvent {
  const from = count(message.from, 'from');
  const seq = count(message.seq, 'seq');
  if (from < 1 || from > seq) throw new MalformedError('from must be between 1 and seq');
  const record = decodeRecord(data);
  if (isTerminal(record.status) !== (type === 'task_complete')) {
    throw new MalformedError(`${type} does not fit the status ${record.status}`);
  }
  return { type: 'event', epoch: text(message.epoch, 'epoch'), from, seq, record };
}

function decodeError(message: Json, data: Json): ServerError {
  return {
    type: 'error',
    re: Number.isSafeInteger(message.re) ? (message.re as number) : null,
    code: text(data.code, 'code'),
    message: text(data.message, 'message'),
    taskId: data.taskId === undefined ? null : taskId(data.taskId),
    temporary: data.temporary === true,
  };
}

function decodeTransfer(data: Json): TransferRecord {
  const direction = data.direction;
  if (!isOneOf(['download', 'upload'] as const, direction)) {
    throw new MalformedError('direction must be download or upload');
  }
  return {
    userId: text(data.userId, 'userId'),
    fileId: text(data.fileId, 'fileId'),
    offset: count(data.offset, 'offset'),
    timestamp: count(data.timestamp, 'timestamp'),
    received: count(data.received, 'received'),
    size: data.size === null ? null : count(data.size, 'size'),
    name: text(data.name, 'name'),
    direction,
    taskId: data.taskId === null ? null : taskId(data.taskId),
    active: flag(data.active, 'active'),
    complete: flag(data.complete, 'complete'),
  };
}

export function encodeSubscribe(id: number, tasks: readonly Position[]): string {
  return JSON.stringify({ type: 'subscribe', id, data: { tasks } });
}

export function encodeUnsubscribe(id: number, taskIds: readonly string[]): string {
  return JSON.stringify({ type: 'unsubscribe', id, data: { tasks: taskIds } });
}

/** Ask for all tasks of a target, also those that come later. */
export function encodeWatch(id: number, target: Target): string {
  return JSON.stringify({ type: 'subscribe', id, data: target });
}

export function encodeUnwatch(id: number, target: Target): string {
  return JSON.stringify({ type: 'unsubscribe', id, data: target });
}

export function encodePing(id: number): string {
  return JSON.stringify({ type: 'ping', id });
}
