/** What a table can be written as: the engine's own table, and names of files by it. */

/** Endings of the files that can be read as a table; the twin of `READABLE` in protocol/. */
const TEXTS = ['.csv', '.tsv', '.ndjson', '.jsonl'];
export const READABLE: readonly string[] = [
  ...['.parquet', '.arrow', '.feather', '.ipc', '.arrows', '.orc'],
  ...TEXTS,
  ...TEXTS.flatMap((text) => ['.gz', '.zst', '.bz2'].map((packed) => text + packed)),
];

export type Value = string | number | boolean | null;

export interface OptionOffer {
  readonly name: string;
  /** bool, int, float or str. */
  readonly kinds: readonly string[];
  /** Whether it may be null. */
  readonly optional: boolean;
  readonly default: Value;
  readonly choices: readonly string[];
  readonly about: string;
}

export interface FormatOffer {
  readonly name: string;
  readonly endings: readonly string[];
  /** Whether one of the packings may follow its ending. */
  readonly packable: boolean;
  /** The extra of progresswidget that is not installed; null where nothing is missing. */
  readonly missing: string | null;
  readonly options: readonly OptionOffer[];
}

export interface Offers {
  readonly formats: readonly FormatOffer[];
  readonly packings: readonly string[];
}

/** What a person has chosen; only the options that differ from what is usual. */
export interface Choice {
  readonly format: string;
  readonly packing: string;
  readonly name: string;
  readonly options: Readonly<Record<string, Value>>;
}

export function isReadable(name: string): boolean {
  const lower = name.toLowerCase();
  return READABLE.some((ending) => lower.length > ending.length && lower.endsWith(ending));
}

/** The name without the ending of a table. */
export function stemOf(name: string): string {
  const lower = name.toLowerCase();
  const found = READABLE.filter((ending) => lower.endsWith(ending));
  const longest = found.reduce((most, ending) => Math.max(most, ending.length), 0);
  return name.slice(0, name.length - longest) || name;
}

/** The name with another ending in the place of the one that stood for the choice before. */
export function renamed(name: string, before: string, after: string): string {
  if (before === '' || !name.toLowerCase().endsWith(before.toLowerCase())) return name;
  return name.slice(0, name.length - before.length) + after;
}

/** The format that a person most likely wants: another one than the file has, and installed. */
export function usualFormat({ formats }: Offers, source: string): FormatOffer | undefined {
  const installed = formats.filter(({ missing }) => missing === null);
  const lower = source.toLowerCase();
  const wanted = lower.endsWith('.parquet') ? ['csv'] : ['parquet', 'csv'];
  const other = installed.filter(({ endings }) => !endings.some((one) => lower.endsWith(one)));
  return (
    wanted.map((name) => other.find((one) => one.name === name)).find((one) => one) ?? other[0]
  );
}

/** Why a name cannot be one, or null. */
export function nameFault(name: string): 'empty' | 'slash' | null {
  if (name.trim() === '' || name === '.' || name === '..') return 'empty';
  return /[/\\]/.test(name) ? 'slash' : null;
}
