/** Reads fields, of which records and messages are made, by rules that say what each may be. */

export class MalformedError extends Error {}

export type Json = Readonly<Record<string, unknown>>;

/** A text like the expression, or one of some words; a `count` is whole, and no number is below 0. */
export type Kind = 'text' | 'count' | 'number' | 'flag' | RegExp | readonly string[];

/**
 * What a field is, whether it may be null, the largest length or value, and what it is where it is
 * missing; without that it may not be.
 */
export type Rule = readonly [kind: Kind, nullable?: boolean, limit?: number, missing?: unknown];

export type Rules = Readonly<Record<string, Rule>>;

/** The largest whole number that there is. */
export const MOST = Number.MAX_SAFE_INTEGER;

export const WHOLE: Rule = ['count'];
export const TEXT: Rule = ['text'];
export const FLAG: Rule = ['flag'];

/**
 * Read the fields that rules name, which are those of `T`; all others are left out.
 *
 * @throws MalformedError with the name of a field that is not as it may be.
 */
export function read<T = object>(source: Json, rules: Rules): T {
  const entries = Object.entries(rules).map(([name, rule]) => {
    if (!(name in source) && rule.length > 3) return [name, rule[3]];
    return [name, allows(rule, source[name]) ? source[name] : refuse(name)];
  });
  return Object.fromEntries(entries) as T;
}

export function refuse(name: string): never {
  throw new MalformedError(name);
}

function allows([kind, nullable, limit = MOST]: Rule, value: unknown): boolean {
  if (value === null) return nullable === true;
  switch (typeof value) {
    case 'boolean':
      return kind === 'flag';
    case 'number':
      if (!(value >= 0 && value <= limit)) return false;
      return kind === 'number' || (kind === 'count' && Number.isInteger(value));
    case 'string':
      if (kind instanceof RegExp) return kind.test(value);
      if (typeof kind === 'object') return kind.includes(value);
      // Python counts code points, and a surrogate pair is two of JavaScript's units.
      return kind === 'text' && (value.length <= limit || [...value].length <= limit);
    default:
      return false;
  }
}

export function object(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(name);
  return value as Json;
}

export function list(value: unknown, name: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(name);
}
