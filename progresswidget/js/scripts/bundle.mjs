// Bundles the two entries: the anywidget as one file, the labextension for jupyter-builder.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';
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

const entries = [
  { ...shared, minify: true, entryPoints: ['src/widget.ts'], outfile: '../static/widget.js' },
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
