/** Uploads that resume, in the file browser: a command, drag and drop, and their bars. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import {
  type FileBrowser,
  IDefaultFileBrowser,
  IFileBrowserFactory,
} from '@jupyterlab/filebrowser';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { fileUploadIcon } from '@jupyterlab/ui-components';
import { withUploads } from '../i18n/lab';
import { Uploads } from '../upload/uploads';
import { askAboutTaken } from './ask_taken';
import { choose } from './choose';
import { lookInto, readDrop, takesDrop, thresholdOf } from './drop';
import { Place } from './place';
import { translateSchema } from './schemas';
import { labServer } from './server';
import { placeBelowPath, TransferList } from './transfer_list';
import { wordsOf } from './words';

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
    const { messages, words } = wordsOf(translator);
    translateSchema(registry, translator, words, PLUGIN);
    if (!factory) return;
    const place = new Place(app.serviceManager.contents, factory, standard);
    const all = new Uploads({
      server: labServer(app.serviceManager.serverSettings),
      pickAgain: async () => (await choose(false))[0] ?? null,
      askAboutTaken: (name) => askAboutTaken(name, words),
      namesIn: (folder) => place.namesIn(folder),
      arrived: (folder) => place.refresh(folder),
    });
    let from = thresholdOf(15);
    void readSettings(registry, (value) => {
      from = value;
    });

    const attach = (browser: FileBrowser) => {
      const list = new TransferList(all, words.upload.list, withUploads(messages, words));
      placeBelowPath(browser, list);
      browser.node.addEventListener(
        'drop',
        (event) => {
          const folder = place.folderOf(browser);
          if (folder === null || !event.dataTransfer || !isOnListing(event)) return;
          if (!takesDrop(lookInto(event.dataTransfer), from)) return;
          // Before JupyterLab's own listener, which would upload them without a way back.
          event.preventDefault();
          event.stopPropagation();
          void readDrop(event.dataTransfer).then((files) => all.add(files, folder));
        },
        { capture: true },
      );
    };

    app.commands.addCommand(COMMAND, {
      label: words.upload.command,
      caption: words.upload.caption,
      icon: fileUploadIcon,
      isEnabled: () => {
        const browser = place.current;
        return browser !== null && place.folderOf(browser) !== null;
      },
      execute: async () => {
        const browser = place.current;
        const folder = browser && place.folderOf(browser);
        if (folder !== null) await all.add(await choose(true), folder);
      },
    });
    palette?.addItem({ command: COMMAND, category: words.upload.category });
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
