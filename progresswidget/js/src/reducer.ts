/** What a page knows of one task, and how a message changes it: pure, no clock, no socket. */

import type { JobEvent, JobRecord, Position, Removed, ServerError, Subscribed } from './protocol';

export interface TaskState {
  readonly taskId: string;
  /** The newest state that was applied; null before the first. */
  readonly record: JobRecord | null;
  /** The history that `seq` counts in; null before the first answer. */
  readonly epoch: string | null;
  readonly seq: number;
  /** Whether an answer to a `subscribe` is outstanding: events are not applied until then. */
  readonly awaiting: boolean;
  /** The server does not know the task, or its record was deleted. */
  readonly missing: boolean;
  /** The server answered a `subscribe` with another error: nothing more will come by itself. */
  readonly refused: boolean;
}

export interface Reduction {
  readonly state: TaskState;
  /** The history has a gap: ask again, never guess. */
  readonly resubscribe: boolean;
}

export type TaskMessage = Subscribed | JobEvent | Removed | ServerError;

export function newTask(taskId: string): TaskState {
  return {
    taskId,
    record: null,
    epoch: null,
    seq: 0,
    awaiting: true,
    missing: false,
    refused: false,
  };
}

/** The position to name in a `subscribe`: the last applied event, or none. */
export function position(state: TaskState): Position {
  const { taskId, epoch, seq } = state;
  return epoch === null ? { taskId } : { taskId, epoch, seq };
}

/** The state after a connection was lost: the position stays, live events are not believed. */
export function disconnected(state: TaskState): TaskState {
  return { ...state, awaiting: true, refused: false };
}

export function reduce(state: TaskState, message: TaskMessage): Reduction {
  switch (message.type) {
    case 'subscribed':
      return onSubscribed(state, message);
    case 'event':
      return onEvent(state, message);
    case 'removed':
      return unchanged({ ...state, missing: true, awaiting: false });
    case 'error':
      if (message.code === 'task-not-found') {
        return unchanged({ ...state, missing: true, awaiting: false });
      }
      // Of a task that is subscribed already an error is about something else.
      return unchanged(state.awaiting ? { ...state, refused: true } : state);
  }
}

function onSubscribed(state: TaskState, message: Subscribed): Reduction {
  const { epoch, seq, snapshot } = message;
  if (snapshot === null) return onRecovered(state, message);
  // Answers come in order, so that a lower number is no late one: the server has gone back.
  return unchanged({ ...answered(state), record: snapshot, epoch, seq });
}

/** All that was missed, or nothing of it: a recovery with a gap is none. */
function onRecovered(state: TaskState, { epoch, seq, events }: Subscribed): Reduction {
  if (epoch !== state.epoch) return lost(state);
  let recovered = answered(state);
  for (const event of events) {
    const reduction = onEvent(recovered, event);
    if (reduction.resubscribe) return lost(state);
    recovered = reduction.state;
  }
  return recovered.seq === seq ? unchanged(recovered) : lost(state);
}

function answered(state: TaskState): TaskState {
  return { ...state, awaiting: false, missing: false, refused: false };
}

function onEvent(state: TaskState, event: JobEvent): Reduction {
  if (state.awaiting) return unchanged(state);
  if (event.epoch !== state.epoch) return lost(state);
  if (event.seq <= state.seq) return unchanged(state);
  // Values are absolute, so an event that overlaps what is known already may be applied as well.
  if (event.from > state.seq + 1) return lost(state);
  return unchanged({ ...state, record: event.record, seq: event.seq, missing: false });
}

function unchanged(state: TaskState): Reduction {
  return { state, resubscribe: false };
}

function lost(state: TaskState): Reduction {
  return { state: { ...state, epoch: null, seq: 0, awaiting: true }, resubscribe: true };
}
