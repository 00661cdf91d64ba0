/** What can be done with one job: for the buttons of its row, and for the menu on it. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import {
  closeIcon,
  downloadIcon,
  folderIcon,
  type LabIcon,
  linkIcon,
  notebookIcon,
  pauseIcon,
  refreshIcon,
  runIcon,
  stopIcon,
} from '@jupyterlab/ui-components';
import { ActionFailure, download, requestAction } from '../actions';
import { ConversionFailure, convertAgain } from '../exporting/conversions';
import { FileFailure } from '../files';
import { CHOICES, type Choice, choicesFor } from '../jobs/choices';
import { isOneOf, type JobRecord } from '../protocol';
import { IExports } from './exports';
import { giveLink } from './link_dialog';
import { say } from './say';
import { openNotebook, runAgain, showInFileBrowser } from './show';

/** Arguments: `choice`, one of `CHOICES`, and `taskId`, without which it is the row that was clicked. */
export const JOB = 'progresswidget:job';

export const ICONS: Readonly<Record<Choice, LabIcon>> = {
  pause: pauseIcon,
  resume: runIcon,
  cancel: stopIcon,
  download: downloadIcon,
  retry: refreshIcon,
  again: runIcon,
  show: folderIcon,
  link: linkIcon,
  notebook: notebookIcon,
  forget: closeIcon,
};

class Sentence extends Error {
  override readonly name = 'Sentence';
}

export const jobCommands: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:job-commands',
  description: 'Commands for a single export.',
  autoStart: true,
  requires: [IExports],
  optional: [INotebookTracker],
  activate(app: JupyterFrontEnd, exports: IExports, notebooks: INotebookTracker | null) {
    const { server, messages, words, exporting, feed } = exports;
    const { signal } = new AbortController();

    const jobOf = ({ taskId }: { taskId?: unknown }): JobRecord | undefined => {
      const clicked = app.contextMenuHitTest((node) => node.matches('.pw-export[data-key]'));
      const id = typeof taskId === 'string' ? taskId : clicked?.dataset.key;
      return id === undefined ? undefined : feed.records.get(id);
    };
    const choose = async (choice: Choice, record: JobRecord): Promise<void> => {
      switch (choice) {
        case 'pause':
        case 'resume':
        case 'cancel':
          feed.records.put(await requestAction(server, record.taskId, choice, signal));
          return;
        case 'download':
          return await download(server, record, signal);
        case 'link':
          if (record.contents === null) return;
          return await giveLink(
            server,
            { name: record.name, path: record.contents, isFolder: false },
            exports,
          );
        case 'show':
          if (record.contents === null) return;
          return await showInFileBrowser(app, record.contents);
        case 'notebook':
          if (record.notebook !== null) await openNotebook(app, notebooks, record.notebook);
          return;
        case 'retry':
          if (!(await runAgain(app, notebooks, record))) throw new Sentence(words.noCell);
          return;
        case 'again':
          feed.records.put(await convertAgain(server, record.taskId));
          return;
        case 'forget':
          await forget(exports, record.taskId);
          return;
      }
    };
    const sentence = (error: unknown): string | null => {
      if (error instanceof ActionFailure) return messages.failure[error.key];
      if (error instanceof ConversionFailure) return exporting.failure[error.key];
      if (error instanceof FileFailure) return words.files.failure[error.key];
      return error instanceof Sentence ? error.message : null;
    };

    app.commands.addCommand(JOB, {
      label: ({ choice }) => (isOneOf(CHOICES, choice) ? words.choice[choice] : words.title),
      icon: ({ choice }) => (isOneOf(CHOICES, choice) ? ICONS[choice] : undefined),
      isVisible: (args) => {
        const record = jobOf(args);
        if (!record || !isOneOf(CHOICES, args.choice)) return false;
        return choicesFor(record, feed.isConnected).has(args.choice);
      },
      execute: async (args) => {
        const record = jobOf(args);
        if (!record || !isOneOf(CHOICES, args.choice)) return;
        try {
          await choose(args.choice, record);
        } catch (error) {
          const body = sentence(error);
          if (body === null) throw error;
          await say(words.failed, body, words.close);
        }
      },
    });
  },
};

async function forget({ server, feed }: IExports, taskId: string): Promise<void> {
  let response: Response;
  try {
    response = await server.request(`${server.base}api/jobs/${taskId}`, { method: 'DELETE' });
  } catch {
    throw new ActionFailure('unreachable');
  }
  // What is gone already is forgotten.
  if (!response.ok && response.status !== 404) throw new ActionFailure('refused');
  feed.records.remove(taskId);
}
