// The page with every state of the bar, and the one with very many bars: served and rebuilt at each reload, or with the name of a
// folder written there.
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';
import { inlineCss } from './inline-css.mjs';
import { inlineWorker } from './inline-worker.mjs';

const folder = process.argv[2] && resolve(process.argv[2]);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = {
  absWorkingDir: root,
  entryPoints: ['gallery/main.ts', 'gallery/many.ts'],
  bundle: true,
  format: 'esm',
  plugins: [inlineCss, inlineWorker],
};
if (folder) {
  await mkdir(folder, { recursive: true });
  await build({ ...options, format: 'iife', outdir: folder });
  for (const name of ['index.html', 'many.html']) {
    await copyFile(join(root, 'gallery', name), join(folder, name));
  }
} else {
  const gallery = await context({ ...options, outdir: 'gallery', write: false });
  const { port } = await gallery.serve({ servedir: 'gallery', host: '127.0.0.1' });
  process.stdout.write(`http://127.0.0.1:${port}/\n`);
}
