// Bundles the entries: the anywidgets as one file each, the labextension for jupyter-builder.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';
import { minify } from 'terser';
import { inlineCss } from './inline-css.mjs';
import { inlineWorker } from './inline-worker.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const shared = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  plugins: [inlineCss, inlineWorker],
  logLevel: 'info',
};

// What esbuild has made small, terser makes smaller by another thirtieth: a host loads it for one bar.
const smaller = {
  name: 'smaller',
  setup({ onEnd }) {
    onEnd(async ({ outputFiles = [] }) => {
      for (const { path, text } of outputFiles) {
        // What is repeated costs next to nothing once it is compressed: statements stay as they were.
        const compress = {
          passes: 4,
          inline: 1,
          sequences: false,
          // Values stay behind what they are compared with, as everywhere else in the text.
          lhs_constants: false,
          // To read a property does nothing else in our code.
          pure_getters: true,
          // No function of ours that is not a class is called with `new`: each may be an arrow.
          unsafe_arrows: true,
        };
        const options = { module: true, ecma: 2020, compress };
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, (await minify(text, options)).code);
      }
    });
  },
};

// gzip finds again only what is at most 32 KiB away: what is alike lies side by side.
const ALIKE = ['view/icons', 'view/stylesheet', 'i18n', 'save/saves', 'view/virtual_list'];
const widget = [
  ...ALIKE.map((name) => `import './src/${name}';`),
  "export { default } from './src/widget';",
].join('\n');

const entries = [
  {
    ...shared,
    minify: true,
    stdin: { contents: widget, resolveDir: root, sourcefile: 'widget.ts' },
    outfile: '../static/widget.js',
    write: false,
    plugins: [...shared.plugins, smaller],
  },
  { ...shared, minify: true, entryPoints: ['src/dialog.ts'], outfile: '../static/dialog.js' },
  { ...shared, minify: true, entryPoints: ['src/again.ts'], outfile: '../static/again.js' },
  {
    ...shared,
    entryPoints: ['src/lab/index.ts'],
    outfile: 'lib/lab.js',
    // JupyterLab gives these at run time: one copy for the whole page.
    external: ['@jupyterlab/*', '@lumino/*'],
  },
];

if (process.argv.includes('--watch')) {
  for (const entry of entries) await (await context(entry)).watch();
} else {
  await Promise.all(entries.map((entry) => build(entry)));
}
