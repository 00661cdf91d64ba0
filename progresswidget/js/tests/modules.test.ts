import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const TESTS = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(TESTS, '..', 'src');

/** Modules that no test names, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  'save/inline-worker.d.ts': 'types alone: what a script makes of a worker',
  'upload/host.ts': 'types alone: what a page gives to its uploads',
  'i18n/messages.ts': 'a type alone: each language is checked against it by the compiler',
};

const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'));

/** The module that a path means; null for one of another package. */
function moduleOf(from: string, target: string): string | null {
  if (!target.startsWith('.')) return null;
  const path = normalize(join(dirname(from), target.replace(/\?.*$/, '')));
  const found = [`${path}.ts`, `${path}/index.ts`].find((one) => sources.includes(one));
  return found ?? null;
}

function targetsOf(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].flatMap(([, target]) => target ?? []);
}

it('names every module in a test, itself or by an index that passes it on', () => {
  const named = new Set<string>();
  for (const name of readdirSync(TESTS).filter((one) => one.endsWith('.test.ts'))) {
    const text = readFileSync(join(TESTS, name), 'utf8');
    // A type alone runs nothing of its module.
    const imports = /^(?:import|\} from)(?! type\b)[^;]*?from '\.\.\/src(\/[^']*|)'/gms;
    const loaded = /(?<!typeof )import\('\.\.\/src(\/[^']*|)'\)/g;
    for (const target of [...targetsOf(text, imports), ...targetsOf(text, loaded)]) {
      const found = moduleOf('index.ts', `.${target || '/index'}`);
      if (found) named.add(found);
    }
  }
  for (const path of [...named]) {
    const text = readFileSync(join(SOURCES, path), 'utf8');
    for (const target of targetsOf(text, /^export (?:\{[^}]*\}|\*) from '([^']+)'/gm)) {
      const found = moduleOf(path, target);
      if (found) named.add(found);
    }
  }
  const without = sources.filter((path) => !named.has(path)).sort();
  expect(without).toEqual(Object.keys(WITHOUT).sort());
});

it('gives no class a rule in the sheet of the panel and in that of the dialogs', () => {
  // Which of them comes first in a page depends on what a person opens first.
  const classesOf = (name: string) =>
    new Set(readFileSync(join(TESTS, '..', 'style', `${name}.css`), 'utf8').match(/\.pw-[a-z-]+/g));
  const panel = classesOf('panel');
  const both = [...classesOf('exporting')].filter((name) => panel.has(name));
  expect(panel.size).toBeGreaterThan(10);
  // The frame of a dialog, and of the bar's own what either names with what is around it.
  expect(both.sort()).toEqual(['.pw-dialog', '.pw-numbers', '.pw-track']);
});
