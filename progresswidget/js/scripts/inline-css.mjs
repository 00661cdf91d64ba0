import { resolve } from 'node:path';
import { build } from 'esbuild';

/** `import css from './x.css?inline'`, as Vite has it: the file's text with what it imports, without white space. */
export const inlineCss = {
  name: 'inline-css',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.replace('?inline', '')),
      namespace: 'inline-css',
    }));
    onLoad({ filter: /.*/, namespace: 'inline-css' }, async ({ path }) => {
      const { outputFiles, metafile } = await build({
        entryPoints: [path],
        bundle: true,
        minify: true,
        write: false,
        metafile: true,
      });
      return {
        // What esbuild leaves as it is: the values of custom properties, and lists.
        contents: outputFiles[0].text.trim().replace(/([:,]) /g, '$1'),
        loader: 'text',
        watchFiles: Object.keys(metafile.inputs).map((input) => resolve(input)),
      };
    });
  },
};
