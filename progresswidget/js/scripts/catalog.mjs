// Writes the catalog by which JupyterLab's translator knows our Chinese, from the tables in src/i18n.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LANGUAGE = 'zh_CN';
/** Between the context and the text, as gettext has it. */
const EOT = '\u0004';

const { outputFiles } = await build({
  absWorkingDir: root,
  stdin: {
    contents: `
      export { DIALOG_WORDS } from './src/exporting/dialog_words';
      export { EXPORT_WORDS } from './src/exporting/words';
      export { CHINESE, ENGLISH } from './src/i18n';
      export { LAB_CHINESE, LAB_ENGLISH } from './src/i18n/lab';
      export { pairs } from './src/i18n/translated';`,
    resolveDir: root,
    loader: 'ts',
  },
  bundle: true,
  format: 'esm',
  charset: 'utf8',
  write: false,
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { CHINESE, DIALOG_WORDS, ENGLISH, EXPORT_WORDS, LAB_CHINESE, LAB_ENGLISH, pairs } =
  await import(`data:text/javascript;base64,${code}`);

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const catalog = {
  '': {
    domain: 'progresswidget',
    language: LANGUAGE,
    plural_forms: 'nplurals=1; plural=0;',
    version,
  },
};
const { schemas, ...words } = LAB_ENGLISH;
const { schemas: chineseSchemas, ...chineseWords } = LAB_CHINESE;
const { locale, ...messages } = ENGLISH;
const { locale: _, ...chineseMessages } = CHINESE;
const found = pairs(words, chineseWords, pairs(messages, chineseMessages));
for (const { en, zh } of [EXPORT_WORDS, DIALOG_WORDS]) pairs(en, zh, found);
for (const [english, chinese] of found) catalog[english] = [chinese];
for (const [english, chinese] of pairs(schemas, chineseSchemas)) {
  for (const context of ['schema', 'settings']) catalog[`${context}${EOT}${english}`] = [chinese];
}

const folder = join(root, '..', 'locale', LANGUAGE, 'LC_MESSAGES');
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'progresswidget.json'), `${JSON.stringify(catalog, null, 1)}\n`);
