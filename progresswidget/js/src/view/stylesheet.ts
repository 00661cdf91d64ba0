/** The bar's style, brought along by the script: hosts load one file. */

import bar from '../../style/bar.css?inline';
import list from '../../style/list.css?inline';
import parts from '../../style/parts.css?inline';
import progress from '../../style/progress.css?inline';
import transfer from '../../style/transfer.css?inline';

let sheet: CSSStyleSheet | undefined;

/** Give the document or shadow root around `node` the bar's style, once. */
export function adoptStyle(node: Node): void {
  const root = node.getRootNode();
  const scope = root instanceof ShadowRoot ? root : document;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(bar + transfer + list + progress + parts);
  }
  if (!scope.adoptedStyleSheets.includes(sheet)) scope.adoptedStyleSheets.push(sheet);
}
