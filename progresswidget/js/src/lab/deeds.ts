/** What the bar can do in JupyterLab beside what the server does: run its cell, show its file. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ActionFailure } from '../actions';

/** JupyterLab's own; Notebook 7 has it where it has a file browser. */
const GO_TO_PATH = 'filebrowser:go-to-path';

/**
 * Run the cell again in whose output a node is.
 *
 * @throws ActionFailure if it is there no more.
 */
export async function rerunCell(panel: NotebookPanel, node: HTMLElement): Promise<void> {
  const { content, sessionContext } = panel;
  const cell = content.widgets.find((widget) => widget.node.contains(node));
  if (cell?.model.type !== 'code') throw new ActionFailure('noCell');
  content.activeCellIndex = content.widgets.indexOf(cell);
  // Not awaited to its end: a blocking cell takes as long as its export, and the bar shows that.
  void NotebookActions.runCells(content, [cell], sessionContext);
}

/** What shows a file of the server; null where there is nothing that could. */
export function revealer({ commands }: JupyterFrontEnd): ((path: string) => Promise<void>) | null {
  if (!commands.hasCommand(GO_TO_PATH)) return null;
  return async (path) => {
    await commands.execute(GO_TO_PATH, { path });
  };
}
