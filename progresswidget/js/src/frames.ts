/** Reads the frames of the server, and writes those of the page. */

import {
  FLAG,
  type Json,
  list,
  MOST,
  object,
  type Rule,
  type Rules,
  read,
  refuse,
  TEXT,
  WHOLE,
} from './fields';
import {
  type Changes,
  type Hello,
  isTerminal,
  type JobEvent,
  MAX_FRAME,
  type Position,
  type Removed,
  type ServerError,
  type ServerMessage,
  type Subscribed,
  TASK_ID,
  type Target,
  type TransferRecord,
  type Watching,
} from './protocol';
import { decodeRecord } from './record';

const RE: Rule = ['count', true, MOST, null];
const TASK: Rules = { taskId: [TASK_ID] };

const ERROR_FIELDS: Rules = { code: TEXT, message: TEXT, taskId: [TASK_ID, false, 0, null] };

const TRANSFER_FIELDS: Rules = {
  userId: TEXT,
  fileId: TEXT,
  offset: WHOLE,
  timestamp: WHOLE,
  received: WHOLE,
  size: ['count', true],
  name: TEXT,
  direction: [['download', 'upload']],
  taskId: [TASK_ID, true],
  active: FLAG,
  complete: FLAG,
};

/**
 * Read one frame of the server.
 *
 * @throws MalformedError if the frame breaks the contract; the connection is then not to be trusted.
 */
export function decodeServerFrame(frame: unknown): ServerMessage {
  // Binary frames are none of ours.
  if (typeof frame !== 'string' || frame.length > MAX_FRAME) refuse('frame');
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch {
    refuse('JSON');
  }
  return decodeMessage(message);
}

/**
 * Read what has changed.
 *
 * @throws MalformedError if it breaks the contract.
 */
export function decodeChanges(value: unknown): Changes {
  const answer = object(value, 'answer');
  return {
    ...read<Omit<Changes, 'messages'>>(answer, { cursor: TEXT, complete: FLAG }),
    messages: list(answer.messages, 'messages').map(decodeMessage),
  };
}

function decodeMessage(value: unknown): ServerMessage {
  const message = object(value, 'message');
  const { type } = message;
  if (typeof type !== 'string') refuse('type');
  if (!Object.hasOwn(DECODERS, type)) return { type: 'unknown' };
  read(message, { timestamp: WHOLE });
  return (DECODERS[type] as Decoder)(object(message.data, 'data'), message);
}

type Decoder = (data: Json, message: Json) => ServerMessage;

const DECODERS: Readonly<Record<string, Decoder>> = {
  hello(data) {
    const hello = read<Hello>(data, {
      session: TEXT,
      heartbeat: ['number'],
      timeout: ['number', true, MOST, null],
    });
    if (hello.heartbeat <= 0 || hello.timeout === 0) refuse('heartbeat');
    return { ...hello, type: 'hello' };
  },
  subscribed: decodeSubscribed,
  watching: (data) => ({
    ...read<Watching>(data, { tasks: WHOLE }),
    type: 'watching',
    all: data.all === true,
  }),
  progress_update: (data, message) => decodeEvent(data, message, false),
  task_complete: (data, message) => decodeEvent(data, message, true),
  task_removed: (data) => ({ ...read<Removed>(data, TASK), type: 'removed' }),
  transfer_update: (data) => ({
    type: 'transfer',
    record: read<TransferRecord>(data, TRANSFER_FIELDS),
  }),
  pong: () => ({ type: 'pong' }),
  error: (data, { re }) => ({
    ...read<ServerError>(data, ERROR_FIELDS),
    type: 'error',
    re: Number.isSafeInteger(re) ? (re as number) : null,
    temporary: data.temporary === true,
  }),
};

function decodeSubscribed(data: Json, message: Json): Subscribed {
  const { taskId, recovered } = read<{ taskId: string; recovered: boolean }>(data, {
    ...TASK,
    recovered: FLAG,
  });
  // Whole messages, each as it was or would have been sent by itself.
  const events = (recovered ? list(data.events, 'events') : []).map((value) => {
    const event = decodeMessage(value);
    return event.type === 'event' ? event : refuse('events');
  });
  const snapshot = recovered ? null : decodeRecord(data.snapshot);
  const told = [snapshot, ...events.map(({ record }) => record)];
  if (told.some((record) => record && record.taskId !== taskId)) refuse('taskId');
  // Without `re` nobody has asked: the server goes on from another state.
  const place = read<Subscribed>(message, { re: RE, epoch: TEXT, seq: WHOLE });
  return { ...place, type: 'subscribed', taskId, snapshot, events };
}

function decodeEvent(data: Json, message: Json, ended: boolean): JobEvent {
  const place = read<JobEvent>(message, { epoch: TEXT, from: WHOLE, seq: WHOLE });
  if (place.from < 1 || place.from > place.seq) refuse('from');
  const record = decodeRecord(data);
  if (isTerminal(record.status) !== ended) refuse('status');
  return { ...place, type: 'event', record };
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
