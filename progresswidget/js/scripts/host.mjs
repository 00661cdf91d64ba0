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
  loader: {
    '.svg': 'dataurl',
    '.woff': 'empty',
    '.woff2': 'empty',
    '.ttf': 'empty',
    '.eot': 'empty',
  },
  define: { __webpack_public_path__: 'globalThis.__assets' },
  logLevel: 'warning',
});
