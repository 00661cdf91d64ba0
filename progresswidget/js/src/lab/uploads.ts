/** Uploads that resume, in the file browser: a command, drag and drop, and their bars. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import {
  type FileBrowser,
  IDefaultFileBrowser,
  IFileBrowserFactory,
} from '@jupyterlab/filebrowser';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { fileUploadIcon } from '@jupyterlab/ui-components';
import { type Messages, messagesFor } from '../i18n';
import { type Picked, Uploads } from '../upload/uploads';
import { choose } from './choose';
import { lookInto, readDrop, takesDrop, thresholdOf } from './drop';
import { Place } from './place';
import { labServer } from './server';
import { placeBelowPath, TransferList } from './transfer_list';

const COMMAND = 'progresswidget:upload';
const PLUGIN = 'progresswidget:uploads';

export const uploads: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Uploads files so that they can be resumed.',
  autoStart: true,
  optional: [
    IFileBrowserFactory,
    IDefaultFileBrowser,
    ICommandPalette,
    ISettingRegistry,
    ITranslator,
  ],
  activate(
    app: JupyterFrontEnd,
    factory: IFileBrowserFactory | null,
    standard: FileBrowser | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
  ) {
    if (!factory) return;
    const messages = messagesFor(
      translator?.languageCode,
      document.documentElement.lang,
      navigator.language,
    );
    const place = new Place(app.serviceManager.contents, factory, standard);
    const all = new Uploads({
      server: labServer(app.serviceManager.serverSettings),
      pickAgain: async () => (await choose(false))[0] ?? null,
      mayReplace: (name) => mayReplace(name, messages),
      arrived: (folder) => place.refresh(folder),
    });
    let from = thresholdOf(15);
    void readSettings(registry, (value) => {
      from = value;
    });

    const attach = (browser: FileBrowser) => {
      placeBelowPath(browser, new TransferList(all, messages.upload.list, messages));
      browser.node.addEventListener(
        'drop',
        (event) => {
          const folder = place.folderOf(browser);
          if (folder === null || !event.dataTransfer || !isOnListing(event)) return;
          if (!takesDrop(lookInto(event.dataTransfer), from)) return;
          // Before JupyterLab's own listener, which would upload them without a way back.
          event.preventDefault();
          event.stopPropagation();
          void readDrop(event.dataTransfer).then((files) => send(browser, folder, files));
        },
        { capture: true },
      );
    };
    const send = async (browser: FileBrowser, folder: string, files: readonly Picked[]) => {
      const there = new Set([...browser.model.items()].map(({ name }) => name));
      for (const picked of files) {
        const taken = there.has(picked.file.name);
        if (taken && !(await mayReplace(picked.file.name, messages))) continue;
        await all.add(picked, folder, taken);
      }
    };

    app.commands.addCommand(COMMAND, {
      label: messages.upload.command,
      caption: messages.upload.caption,
      icon: fileUploadIcon,
      isEnabled: () => {
        const browser = place.current;
        return browser !== null && place.folderOf(browser) !== null;
      },
      execute: async () => {
        const browser = place.current;
        const folder = browser && place.folderOf(browser);
        if (browser && folder !== null) await send(browser, folder, await choose(true));
      },
    });
    palette?.addItem({ command: COMMAND, category: messages.upload.category });
    place.forEach(attach);
    void all.recall();
  },
};

async function readSettings(
  registry: ISettingRegistry | null,
  use: (from: number | null) => void,
): Promise<void> {
  const settings = await registry?.load(PLUGIN).catch(() => undefined);
  const read = () => {
    if (settings) use(thresholdOf(settings.get('dropFrom').composite));
  };
  settings?.changed.connect(read);
  read();
}

function isOnListing({ target }: Event): boolean {
  return target instanceof Element && target.closest('.jp-DirListing-content') !== null;
}

async function mayReplace(name: string, { upload }: Messages): Promise<boolean> {
  const { button } = await showDialog({
    title: upload.replaceTitle,
    body: upload.replaceBody(name),
    buttons: [
      Dialog.cancelButton({ label: upload.keep }),
      Dialog.warnButton({ label: upload.replace }),
    ],
  });
  return button.accept;
}
