/** The style of the panel and its neighbours, which only JupyterLab needs. */

import panel from '../../../style/panel.css?inline';

let sheet: CSSStyleSheet | undefined;

/** Give the document around `node` the panel's style, once. */
export function adoptPanelStyle(node: Node): void {
  const page = node.ownerDocument ?? document;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(panel);
  }
  if (!page.adoptedStyleSheets.includes(sheet)) page.adoptedStyleSheets.push(sheet);
}
