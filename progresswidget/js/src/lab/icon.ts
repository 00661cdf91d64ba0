/** The icons that JupyterLab does not have; that of exports is a table that leaves its tray. */

import { LabIcon } from '@jupyterlab/ui-components';

const SHAPES =
  '<path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M5 3h9v2H5v3h4v2H5v3h4v2H5v2h6v2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2m9 0h3a2 2 0 0 1 2 2v5h-2V8h-6v3h-2V8h-.01V6H17V5h-3z"/>' +
  '<path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M15 12h3v4h3l-4.5 5-4.5-5h3z"/>';

/** Lines that become shorter: an order. */
export const sortIcon = new LabIcon({
  name: 'progresswidget:sort',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">' +
    '<path class="jp-icon3" fill="#616161" d="M3 6h18v2H3zm0 5h12v2H3zm0 5h6v2H3z"/></svg>',
});

export const exportsIcon = new LabIcon({
  name: 'progresswidget:exports',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">${SHAPES}</svg>`,
});
