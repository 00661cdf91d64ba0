import { resolve } from 'node:path';
import { build } from 'esbuild';

/**
 * `import SomeWorker from './x?worker&inline'`, as Vite has it: a constructor with the code inside,
 * so that a host still loads one file.
 */
export const inlineWorker = {
  name: 'inline-worker',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\?worker&inline$/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, `${path.replace('?worker&inline', '')}.ts`),
      namespace: 'inline-worker',
    }));
    onLoad({ filter: /.*/, namespace: 'inline-worker' }, async ({ path }) => {
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
        const code = ${JSON.stringify(outputFiles[0].text)};
        export default function InlineWorker() {
          const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
          try {
            return new Worker(url);
          } finally {
            URL.revokeObjectURL(url);
          }
        }`;
      return {
        contents,
        loader: 'js',
        watchFiles: Object.keys(metafile.inputs).map((at) => resolve(at)),
      };
    });
  },
};
