/** Who follows tasks that have something in common: those of a notebook, or the parts of a group. */

import type { Target } from '../protocol';
import type { TaskState } from '../reducer';
import type { Connection } from './connection';

export type Listener = (task: TaskState, connection: Connection) => void;

interface Watched {
  readonly target: Target;
  readonly listeners: Set<Listener>;
}

export class Targets {
  readonly #watched = new Map<string, Watched>();

  get size(): number {
    return this.#watched.size;
  }

  get all(): readonly Target[] {
    return [...this.#watched.values()].map(({ target }) => target);
  }

  /** Take a listener in; whether it is the first of its target. */
  add(target: Target, listener: Listener): boolean {
    const key = keyOf(target);
    const watched = this.#watched.get(key) ?? { target, listeners: new Set() };
    const begins = watched.listeners.size === 0;
    watched.listeners.add(listener);
    this.#watched.set(key, watched);
    return begins;
  }

  /** Let a listener go; whether it was the last of its target. */
  remove(target: Target, listener: Listener): boolean {
    const watched = this.#watched.get(keyOf(target));
    if (!watched?.listeners.delete(listener) || watched.listeners.size > 0) return false;
    return this.#watched.delete(keyOf(target));
  }

  /** Whether somebody follows a target that a task belongs to. */
  has(state: TaskState): boolean {
    return keysOf(state).some((key) => this.#watched.has(key));
  }

  listenersOf(state: TaskState): readonly Listener[] {
    return keysOf(state).flatMap((key) => [...(this.#watched.get(key)?.listeners ?? [])]);
  }
}

/** Whether a task belongs to a target. */
export function isOf(state: TaskState, target: Target): boolean {
  return keysOf(state).includes(keyOf(target));
}

function keyOf(target: Target): string {
  return JSON.stringify(target);
}

/** The targets that a task belongs to, but for that of all. */
function keysOf({ record }: TaskState): readonly string[] {
  const { notebook = null, parent = null } = record ?? {};
  return [
    ...(notebook === null ? [] : [keyOf({ notebook })]),
    ...(parent === null ? [] : [keyOf({ parent })]),
  ];
}
