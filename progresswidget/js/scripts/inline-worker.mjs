import { resolve } from 'node:path';
import { build } from 'esbuild';

const SUFFIX = '?inline-worker';

/**
 * The module of `import { startWorker, runHere } from './x?inline-worker'`: the code of a worker as a
 * function, which a worker gets as its text and a page without workers calls. So a host still loads
 * one file, and the code is in it once.
 *
 * It sees nothing but its argument, the worker's `self`: its text stands alone.
 */
async function workerModule(path) {
  const { outputFiles, metafile } = await build({
    entryPoints: [path],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    minify: true,
    write: false,
    metafile: true,
  });
  const contents = `
    function code(self) {
      ${outputFiles[0].text}
    }
    export function startWorker() {
      const text = '(' + code + ')(self)';
      const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      try {
        return new Worker(url);
      } finally {
        URL.revokeObjectURL(url);
      }
    }
    export function runHere(port) {
      code(port);
    }`;
  return { contents, watchFiles: Object.keys(metafile.inputs).map((at) => resolve(at)) };
}

const pathOf = (name, folder) => resolve(folder, `${name.replace(SUFFIX, '')}.ts`);

/** For esbuild. */
export const inlineWorker = {
  name: 'inline-worker',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\?inline-worker$/ }, ({ path, resolveDir }) => ({
      path: pathOf(path, resolveDir),
      namespace: 'inline-worker',
    }));
    onLoad({ filter: /.*/, namespace: 'inline-worker' }, async ({ path }) => ({
      ...(await workerModule(path)),
      loader: 'js',
    }));
  },
};

/** The same for Vite, with which the tests run. */
export const viteInlineWorker = {
  name: 'inline-worker',
  enforce: 'pre',
  resolveId(name, importer) {
    if (!name.endsWith(SUFFIX) || !importer) return null;
    return `\0inline-worker:${pathOf(name, resolve(importer, '..'))}`;
  },
  async load(id) {
    if (!id.startsWith('\0inline-worker:')) return null;
    return (await workerModule(id.slice('\0inline-worker:'.length))).contents;
  },
};
