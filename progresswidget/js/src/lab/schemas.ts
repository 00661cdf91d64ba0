/** Says the settings of our plugins in the language of the page. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ITranslator } from '@jupyterlab/translation';
import { LAB_ENGLISH, type LabWords } from '../i18n/lab';

/** Which texts of a schema a person reads, and the context that JupyterLab's catalogs have them in. */
const READ: readonly (readonly [path: RegExp, context: string])[] = [
  [/^\/(title|description)$/, 'schema'],
  [/^\/properties\/.*\/(title|description)$/, 'settings'],
];

type Say = (text: string, context: string) => string;

/**
 * Write what is read of a schema anew.
 *
 * @param say From a text and its context to what is said instead.
 */
export function sayAnew<T extends object>(schema: T, say: Say): T {
  return anew(schema, say, '') as T;
}

function anew(value: unknown, say: Say, path: string): unknown {
  if (typeof value === 'string') {
    const context = READ.find(([pattern]) => pattern.test(path))?.[1];
    return context === undefined ? value : say(value, context);
  }
  if (Array.isArray(value)) return value.map((entry, at) => anew(entry, say, `${path}[${at}]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, anew(inner, say, `${path}/${name}`)]),
  );
}

/**
 * Have the settings of a plugin said in the language of the page, before anybody loads them.
 *
 * JupyterLab's server translates schemas by the language pack alone, which knows nothing of
 * extensions; what JupyterLab's translator knows of ours comes first, then our own table.
 */
export function translateSchema(
  registry: ISettingRegistry | null,
  translator: ITranslator | null,
  words: LabWords,
  plugin: string,
): void {
  const bundle = translator?.load('progresswidget');
  const keys = Object.keys(LAB_ENGLISH.schemas) as (keyof LabWords['schemas'])[];
  const own = new Map(keys.map((key) => [LAB_ENGLISH.schemas[key], words.schemas[key]]));
  const say = (text: string, context: string) => {
    const said = bundle?._p(context, text) ?? text;
    return said === text ? (own.get(text) ?? text) : said;
  };
  registry?.transform(plugin, {
    fetch: (fetched) => ({ ...fetched, schema: sayAnew(fetched.schema, say) }),
  });
}
