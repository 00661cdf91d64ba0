/** The labextension: JupyterLab and Notebook 7 draw the bar without asking the kernel. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator } from '@jupyterlab/translation';
import { leaveLanguage } from '../i18n/speech';
import { channelOf } from '../server';
import { exportAs } from './export_as';
import { exports } from './exports';
import { files } from './files';
import { jobCommands } from './job_commands';
import { notices } from './notices';
import { panel } from './panel';
import { progressFactory } from './progress_renderer';
import { watchNotebooks } from './reattach';
import { jobFactory, receiptFactory } from './renderer';
import { running } from './running';
import { labServer } from './server';
import { showInFileBrowser } from './show';
import { status } from './status';
import { uploads } from './uploads';
import { languageOf, messagesOf } from './words';

// Measured: at -20 this comes before the widget view (-10) and HTML (50), and at 0 it does not.
const RANK = -20;

const renderer: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:renderer',
  description: 'Draws the live bar of an export.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [INotebookTracker, ITranslator],
  activate(
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null,
  ) {
    const context = {
      server: labServer(app.serviceManager.serverSettings),
      messages: messagesOf(translator),
      rendermime,
      notebooks,
      reveal: (path: string) => showInFileBrowser(app, path),
    };
    leaveLanguage(languageOf(translator));
    rendermime.addFactory(jobFactory(context), RANK);
    rendermime.addFactory(receiptFactory(), RANK);
    rendermime.addFactory(progressFactory(context), RANK);
  },
};

const reattach: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:reattach',
  description: 'Brings the bar of a running export back into a notebook that was not saved.',
  autoStart: true,
  optional: [INotebookTracker],
  activate(app: JupyterFrontEnd, notebooks: INotebookTracker | null) {
    if (!notebooks) return;
    const server = labServer(app.serviceManager.serverSettings);
    watchNotebooks(notebooks, server);
    const channel = channelOf(server);
    app.serviceManager.connectionFailure.connect(() => channel.signOfLoss());
    const listen = ({ sessionContext }: NotebookPanel) => {
      sessionContext.connectionStatusChanged.connect((_, status) => {
        if (status === 'connected') channel.signOfLife();
      });
    };
    notebooks.forEach(listen);
    notebooks.widgetAdded.connect((_, panel) => listen(panel));
  },
};

export default [
  renderer,
  reattach,
  uploads,
  files,
  exportAs,
  exports,
  jobCommands,
  panel,
  status,
  running,
  notices,
];
