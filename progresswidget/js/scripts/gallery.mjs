// Serves the page with every state of the bar, rebuilt at each reload.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { context } from 'esbuild';
import { inlineCss } from './inline-css.mjs';
import { inlineWorker } from './inline-worker.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const gallery = await context({
  absWorkingDir: root,
  entryPoints: ['gallery/main.ts'],
  outfile: 'gallery/main.js',
  bundle: true,
  format: 'esm',
  write: false,
  plugins: [inlineCss, inlineWorker],
});
const { port } = await gallery.serve({ servedir: 'gallery', host: '127.0.0.1' });
process.stdout.write(`http://127.0.0.1:${port}/\n`);
