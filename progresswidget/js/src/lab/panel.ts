/** The side panel "Exports", and the commands on all exports. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import {
  CommandToolbarButton,
  cleaningIcon,
  type LabIcon,
  pauseIcon,
  runIcon,
} from '@jupyterlab/ui-components';
import { requestAction } from '../actions';
import { EXPORTS_COMMANDS, type ExportsCommand } from '../i18n/lab/words';
import { choicesFor } from '../jobs/choices';
import { isTerminal } from '../protocol';
import { clearFinished } from './clear';
import { IExports } from './exports';
import { exportsIcon } from './icon';
import { SortButton } from './panel/sort';
import { ExportsPanel } from './panel/widget';

export const OPEN = 'progresswidget:open';

/** Beside the list of what runs. */
const RANK = 250;

const ICONS: Readonly<Record<ExportsCommand, LabIcon>> = {
  open: exportsIcon,
  notebook: exportsIcon,
  pauseAll: pauseIcon,
  resumeAll: runIcon,
  clear: cleaningIcon,
};

export const panel: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:panel',
  description: 'Shows every export in a side panel.',
  autoStart: true,
  requires: [IExports],
  optional: [ILayoutRestorer, ICommandPalette, INotebookTracker],
  activate(
    app: JupyterFrontEnd,
    exports: IExports,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null,
  ) {
    const { words, feed, server } = exports;
    const { commands, shell } = app;
    const { signal } = new AbortController();
    const view = new ExportsPanel(exports, commands);

    const records = () => [...feed.records.values()];
    /** All that a wish is open to, each for itself: one that is refused leaves the others. */
    const each = async (choice: 'pause' | 'resume') => {
      const open = records().filter((record) => choicesFor(record, feed.isConnected).has(choice));
      await Promise.allSettled(
        open.map(async ({ taskId }) => {
          feed.records.put(await requestAction(server, taskId, choice, signal));
        }),
      );
    };
    const isOpen = (choice: 'pause' | 'resume') => () =>
      records().some((record) => choicesFor(record, feed.isConnected).has(choice));

    type Run = (args: { taskId?: unknown }) => void | Promise<void>;
    const run: Readonly<Record<ExportsCommand, Run>> = {
      open: ({ taskId }) => {
        shell.activateById(view.id);
        if (typeof taskId === 'string') view.reveal(taskId);
      },
      notebook: () => {
        view.showNotebook(notebooks?.currentWidget?.context.localPath ?? null);
        shell.activateById(view.id);
      },
      pauseAll: () => each('pause'),
      resumeAll: () => each('resume'),
      clear: async () => {
        if (await clearFinished(exports, view.diskUse)) view.lookAtDisk();
      },
    };
    const isEnabled: Partial<Record<ExportsCommand, () => boolean>> = {
      notebook: () => notebooks?.currentWidget != null,
      pauseAll: isOpen('pause'),
      resumeAll: isOpen('resume'),
      clear: () => feed.isConnected && records().some(({ status }) => isTerminal(status)),
    };
    for (const name of EXPORTS_COMMANDS) {
      commands.addCommand(`progresswidget:${name}`, {
        label: words.command[name],
        caption: words.caption[name],
        icon: ICONS[name],
        isEnabled: isEnabled[name] ?? (() => true),
        execute: run[name],
      });
      palette?.addItem({ command: `progresswidget:${name}`, category: words.title });
    }

    for (const name of ['pauseAll', 'resumeAll', 'clear'] as const) {
      const id = `progresswidget:${name}`;
      view.toolbar.addItem(name, new CommandToolbarButton({ commands, id, label: '' }));
    }
    view.toolbar.addItem('sort', new SortButton(view, words));
    const notify = () => {
      for (const name of EXPORTS_COMMANDS) commands.notifyCommandChanged(`progresswidget:${name}`);
    };
    let before = '';
    feed.records.follow(() => {
      // A button is drawn anew only where what it depends on is another.
      const now = JSON.stringify(EXPORTS_COMMANDS.map((name) => isEnabled[name]?.() ?? true));
      if (now !== before) notify();
      before = now;
    }, signal);
    feed.followState(notify, signal);
    let { order } = exports.preferences;
    exports.preferencesChanged.connect(() => {
      // Another setting that changes leaves the order that was chosen in the panel.
      if (exports.preferences.order === order) return;
      order = exports.preferences.order;
      view.order = order;
    });

    shell.add(view, 'left', { rank: RANK, type: 'Exports' });
    restorer?.add(view, view.id);
  },
};
