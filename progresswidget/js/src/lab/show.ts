/** Where the file, the notebook and the cell of a job are, in whatever application this is. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ActionFailure } from '../actions';
import type { JobRecord } from '../protocol';

/** JupyterLab's own; Notebook 7 has it where it has a file browser. */
const GO_TO_PATH = 'filebrowser:go-to-path';

/** Show a file in the file browser: here where there is one, else on a page of its own. */
export async function showInFileBrowser(app: JupyterFrontEnd, path: string): Promise<void> {
  if (app.commands.hasCommand(GO_TO_PATH)) {
    await app.commands.execute(GO_TO_PATH, { path });
    return;
  }
  const folder = path.split('/').slice(0, -1).join('/');
  const address = URLExt.join(PageConfig.getBaseUrl(), 'tree', URLExt.encodeParts(folder));
  window.open(address, '_blank', 'noopener');
}

/** Open the notebook of a job, where it has one. */
export async function openNotebook(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker | null,
  path: string,
): Promise<NotebookPanel | null> {
  const isIt = (panel: NotebookPanel) => panel.context.localPath === path;
  const open = notebooks?.find(isIt);
  if (open) {
    app.shell.activateById(open.id);
    return open;
  }
  await app.commands.execute('docmanager:open', { path });
  return notebooks?.find(isIt) ?? null;
}

/**
 * Run the cell again that has made a job: what is whole of its file is gone on with.
 *
 * @returns False where the notebook is open and has no such cell.
 */
export async function runAgain(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker | null,
  { notebook, cellId }: JobRecord,
): Promise<boolean> {
  if (notebook === null) return true;
  const panel = await openNotebook(app, notebooks, notebook);
  // On a page of its own it is the person's to run it there.
  if (!panel) return true;
  await panel.context.ready;
  await panel.revealed;
  const { content } = panel;
  const index = content.widgets.findIndex(({ model }) => model.id === cellId);
  const cell = content.widgets[index];
  if (!cell) return false;
  content.deselectAll();
  content.activeCellIndex = index;
  await content.scrollToItem(index, 'smart');
  await panel.sessionContext.ready;
  void NotebookActions.run(content, panel.sessionContext);
  return true;
}

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
