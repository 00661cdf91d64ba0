// Bundles the page that renders widgets without Jupyter, for the tests: `node scripts/host.mjs OUT`.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outfile = process.argv[2];
if (!outfile) throw new Error('node scripts/host.mjs OUT.js');

await build({
  absWorkingDir: root,
  entryPoints: ['tests/host/main.ts'],
  outfile,
  bundle: true,
  format: 'iife',
  target: 'es2022',
  minify: true,
  // Fonts and icons of others: nothing is fetched, and nothing of ours needs them.
  loader: Object.fromEntries(
    ['svg', 'woff', 'woff2', 'ttf', 'eot'].map((end) => [`.${end}`, 'empty']),
  ),
  define: { __webpack_public_path__: 'globalThis.__assets' },
  logLevel: 'warning',
});
