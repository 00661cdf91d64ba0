/** Downloads of the files of jobs, as the server counts them: who wants to know of which. */

import type { TransferRecord } from '../protocol';
import { type Environment, tellEach } from './environment';

export type TransferListener = (record: TransferRecord) => void;

export class Transfers {
  readonly #env: Environment;
  readonly #listeners = new Map<string, Set<TransferListener>>();
  /** The newest of each task that goes on: for a bar that comes later. */
  readonly #moving = new Map<string, TransferRecord>();

  constructor(env: Environment) {
    this.#env = env;
  }

  /** Be told how far downloads of a task's file are; the function returned ends it. */
  follow(taskId: string, listener: TransferListener): () => void {
    const listeners = this.#listeners.get(taskId) ?? new Set();
    this.#listeners.set(taskId, listeners.add(listener));
    const moving = this.#moving.get(taskId);
    if (moving) listener(moving);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(taskId);
    };
  }

  take(record: TransferRecord): void {
    const { taskId } = record;
    if (taskId === null || record.direction !== 'download') return;
    if (record.active) this.#moving.set(taskId, record);
    else this.#moving.delete(taskId);
    tellEach(this.#env, this.#listeners.get(taskId) ?? [], (listener) => listener(record));
  }

  /** What moved before may have ended meanwhile: the server says again what moves. */
  forget(): void {
    this.#moving.clear();
  }
}
