/** The bar's style, brought along by the script: hosts load one file. */

import style from '../../style/bar.css?inline';

let sheet: CSSStyleSheet | undefined;

/** Give the document or shadow root around `node` the bar's style, once. */
export function adoptStyle(node: Node): void {
  const root = node.getRootNode();
  const scope = root instanceof ShadowRoot ? root : document;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
  }
  if (!scope.adoptedStyleSheets.includes(sheet)) scope.adoptedStyleSheets.push(sheet);
}
