/**
 * The schema of the wire, as Python's tables make it, against what is read here: a field or a message
 * that one side knows and the other does not fails.
 */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MalformedError, MOST } from '../src/fields';
import { decodeServerFrame } from '../src/frames';
import {
  ACTIONS,
  ACTIVE_STATUSES,
  PHASES,
  STEP_STATUSES,
  TERMINAL_STATUSES,
} from '../src/protocol';
import { decodeRecord, RECORD_FIELDS } from '../src/record';

interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

type Sample = Record<string, unknown>;

const url = new URL('../../../jupyter_server_ext/schemas/wire.json', import.meta.url);
const WIRE: { readonly $defs: Readonly<Record<string, Schema>> } = JSON.parse(
  readFileSync(url, 'utf8'),
);

function named(name: string): Schema {
  const found = WIRE.$defs[name];
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

function resolved(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : named(schema.$ref.slice('#/$defs/'.length));
}

/** Texts of which one follows each pattern that there is. */
const TEXTS = ['0123456789abcdef0123456789abcdef', 'a.csv', '/a.csv', 'a'.repeat(64), '1'];

/** One value that follows a schema, with every field that it names. */
function sample(schema: Schema): unknown {
  const here = resolved(schema);
  if (here.anyOf?.[0] !== undefined) return sample(here.anyOf[0]);
  if (here.const !== undefined) return here.const;
  if (here.enum !== undefined) return here.enum[0];
  const type = Array.isArray(here.type) ? here.type[0] : here.type;
  switch (type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(here.properties ?? {}).map(([name, inner]) => [name, sample(inner)]),
      );
    case 'array':
      return [];
    case 'boolean':
      return true;
    case 'string': {
      const found = TEXTS.find((text) => new RegExp(here.pattern ?? '', 'u').test(text));
      if (found === undefined) throw new Error(`no text like ${here.pattern}`);
      return found;
    }
    default:
      return Math.max(1, here.minimum ?? 0);
  }
}

function decoded(message: unknown) {
  return decodeServerFrame(JSON.stringify(message));
}

describe('the record of a job', () => {
  const { properties = {}, required = [] } = named('Record');

  /** What a schema says, as a rule of ours: of a text of a pattern or of some words that is all. */
  function ruleOf(name: string, schema: Schema): readonly unknown[] {
    const types = [schema.type ?? ''].flat() as string[];
    const kinds: Record<string, string> = {
      string: 'text',
      integer: 'count',
      number: 'number',
      boolean: 'flag',
    };
    const words = schema.enum?.filter((word) => word !== null);
    const hexadecimal = schema.pattern?.includes('0-9a-f') ? 'pattern' : undefined;
    const limit = schema.maxLength ?? schema.maximum ?? MOST;
    const kind = words?.sort() ?? hexadecimal ?? kinds[types[0] ?? ''];
    const rule = [kind, types.includes('null'), hexadecimal ? MOST : limit];
    // What may be missing is null where the schema names no other value.
    return required.includes(name) ? rule : [...rule, schema.default ?? null];
  }

  it('has the fields that are read here, with the same kinds and limits', () => {
    const { steps, error, ...plain } = properties;
    expect([steps, error]).not.toContain(undefined);
    const table = Object.fromEntries(
      Object.entries(plain).map(([name, schema]) => [name, ruleOf(name, schema)]),
    );
    const rules = Object.entries(RECORD_FIELDS).map(
      ([name, [kind, nullable = false, limit = MOST, ...missing]]) => {
        const said = kind instanceof RegExp ? 'pattern' : kind;
        return [name, [Array.isArray(said) ? [...said].sort() : said, nullable, limit, ...missing]];
      },
    );
    expect(Object.fromEntries(rules)).toEqual(table);
  });

  it.each(['taskId', 'sha256', 'parent'])('has the same pattern: %s', (name) => {
    const ours = RECORD_FIELDS[name]?.[0] as RegExp;
    expect(properties[name]?.pattern).toBe(ours.source.replace(/^\^(.*)\$$/, '^(?:$1)$'));
  });

  it('knows the same words', () => {
    const { status, phase, pending } = properties;
    const statuses: readonly string[] = [...ACTIVE_STATUSES, ...TERMINAL_STATUSES];
    expect([...statuses].sort()).toEqual(status?.enum);
    expect([...STEP_STATUSES].sort()).toEqual(named('Step').properties?.status?.enum);
    expect([...PHASES].sort()).toEqual(phase?.enum);
    expect([...ACTIONS].sort().concat([null as never])).toEqual(pending?.enum);
  });

  it('is read with every field', () => {
    const record = decodeRecord(sample({ $ref: '#/$defs/Record' }));
    expect(Object.keys(record).sort()).toEqual(Object.keys(properties).sort());
  });
});

/** What a subscribe to a target is answered with, before its tasks: no page has a use for it. */
const UNUSED = /^Watching/;

describe('the messages of the server', () => {
  const names = (named('ServerMessage').anyOf ?? [])
    .map(({ $ref }) => $ref?.slice('#/$defs/'.length) ?? '')
    .filter((name) => name !== '' && !UNUSED.test(name));

  it.each(names)('are known: %s', (name) => {
    expect(decoded(sample(named(name))).type).not.toBe('unknown');
  });

  it('are read with all that they must have', () => {
    const unread: string[] = [];
    for (const name of names) {
      const schema = named(name);
      const whole = sample(schema) as Sample;
      const data = resolved(schema.properties?.data ?? {});
      const without = [
        ...(schema.required ?? []).map((field) => [field, omit(whole, field)] as const),
        ...(data.required ?? []).map((field) => {
          return [`data.${field}`, { ...whole, data: omit(whole.data as Sample, field) }] as const;
        }),
      ];
      for (const [field, rest] of without) {
        if (!refuses(rest)) unread.push(`${name}.${field}`);
      }
    }
    // An answer to a sign of life is one, whichever it answers; an error may answer nothing.
    expect(unread).toEqual(['Pong.re', 'Error.re']);
  });

  it('tell of a transfer with every field', () => {
    const message = decoded(sample(named('TransferUpdate')));
    const known = Object.keys(named('Transfer').properties ?? {}).sort();
    expect(message.type === 'transfer' && Object.keys(message.record).sort()).toEqual(known);
  });
});

function omit(whole: Sample, field: string): Sample {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => name !== field));
}

function refuses(message: unknown): boolean {
  try {
    decoded(message);
    return false;
  } catch (error) {
    if (error instanceof MalformedError) return true;
    throw error;
  }
}
