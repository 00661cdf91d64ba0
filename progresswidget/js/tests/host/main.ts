/**
 * A page that renders saved widgets with `@jupyter-widgets/html-manager`, as hosts other than
 * JupyterLab do: nbconvert's HTML, Sphinx, a blog. The page has the saved state in it, and the
 * views, as `ipywidgets.embed` and nbconvert write them.
 */

import * as base from '@jupyter-widgets/base';
import { HTMLManager } from '@jupyter-widgets/html-manager';
import { renderWidgets } from '@jupyter-widgets/html-manager/lib/libembed';

type Factory = (module: typeof base) => unknown;

declare global {
  interface Window {
    /** The managers of the page, for the test. */
    managers: HTMLManager[];
    define?: (names: string[], factory: Factory) => void;
  }
}

window.managers = [];
const anywidget = new Promise<unknown>((resolve) => {
  // The module that the Python package ships is made for AMD.
  window.define = (_names, factory) => resolve(factory(base));
});

function newManager(): HTMLManager {
  const manager = new HTMLManager({
    loader: (name: string) =>
      name === 'anywidget' ? anywidget : Promise.reject(new Error(`no module ${name}`)),
  });
  window.managers.push(manager);
  return manager;
}

window.addEventListener('DOMContentLoaded', () => void renderWidgets(newManager));
