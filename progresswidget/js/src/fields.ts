/** The checks of single fields, of which records and frames are made. */

import { isTaskId } from './protocol';

export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export type Json = Readonly<Record<string, unknown>>;
export type Kind = 'text' | 'count' | 'number' | 'flag';

export function field(name: string, value: unknown, kind: Kind, nullable: boolean, limit: number) {
  if (value === null && nullable) return null;
  const good =
    kind === 'text'
      ? // Python counts code points, and a surrogate pair is two of JavaScript's units.
        typeof value === 'string' && (value.length <= limit || [...value].length <= limit)
      : kind === 'flag'
        ? typeof value === 'boolean'
        : typeof value === 'number' &&
          value >= 0 &&
          value <= limit &&
          (kind === 'number' || Number.isInteger(value));
  if (!good) throw new MalformedError(`${name} must be a ${kind} of at most ${limit}`);
  return value;
}

export function object(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedError(`${name} must be an object`);
  }
  return value as Json;
}

export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new MalformedError(`${name} must be a text`);
  return value;
}

export function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw new MalformedError(`${name} must be true or false`);
  return value;
}

export function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedError(`${name} must be a whole number from 0 on`);
  }
  return value;
}

export function taskId(value: unknown): string {
  if (!isTaskId(value)) throw new MalformedError('a task id is 32 hexadecimal digits');
  return value;
}
