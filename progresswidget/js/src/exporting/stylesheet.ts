/** The style of the dialogs, which a bar does not need, brought along by the script. */

import dialog from '../../style/dialog.css?inline';
import exporting from '../../style/exporting.css?inline';

let sheet: CSSStyleSheet | undefined;

/** Give the document or shadow root around `node` the style, once. */
export function adoptExportStyle(node: Node): void {
  const root = node.getRootNode();
  const scope = root instanceof ShadowRoot ? root : document;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(dialog + exporting);
  }
  if (!scope.adoptedStyleSheets.includes(sheet)) scope.adoptedStyleSheets.push(sheet);
}
