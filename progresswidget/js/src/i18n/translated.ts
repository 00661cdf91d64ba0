/** Tables in languages that are not ours: what JupyterLab's language packs make of the English one. */

/** What stands in a template for the first and the second value, as in JupyterLab's own catalogs. */
const MARKS = ['%1', '%2', '%3'] as const;

type Said = (...values: unknown[]) => string;

/**
 * Say a table anew, text by text; a text with values is looked up with marks in their place.
 *
 * @param say From an English text to another language; what it does not know it gives back.
 */
export function translated<T>(table: T, say: (text: string) => string): T {
  return anew(table, say) as T;
}

function anew(value: unknown, say: (text: string) => string): unknown {
  if (typeof value === 'string') return say(value);
  if (typeof value === 'function') {
    const template = templateOf(value as Said);
    const other = say(template);
    if (other === template) return value;
    return (...values: unknown[]) =>
      // In one pass: a value may look like a mark itself, or like a pattern of replacement.
      other.replace(/%[123]/g, (mark) => String(values[Number(mark[1]) - 1] ?? ''));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, anew(inner, say)]));
}

function templateOf(say: Said): string {
  return say(...MARKS);
}

/** Every text of two tables of one shape, the one by the other; of two that differ the first. */
export function pairs(
  from: unknown,
  to: unknown,
  found: Map<string, string> = new Map(),
): Map<string, string> {
  if (typeof from === 'string' && typeof to === 'string') put(found, from, to);
  else if (typeof from === 'function' && typeof to === 'function') {
    put(found, templateOf(from as Said), templateOf(to as Said));
  } else if (typeof from === 'object' && from !== null) {
    for (const [name, inner] of Object.entries(from)) {
      pairs(inner, (to as Record<string, unknown>)[name], found);
    }
  }
  return found;
}

function put(found: Map<string, string>, from: string, to: string): void {
  if (!found.has(from)) found.set(from, to);
}
