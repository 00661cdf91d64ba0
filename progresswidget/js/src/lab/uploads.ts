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
import type { LabWords } from '../i18n/lab';
import { withUploads } from '../i18n/lab';
import { Uploads } from '../upload/uploads';
import { askAboutFolder, askAboutTaken } from './ask_taken';
import { choose, chooseFolder } from './choose';
import { lookInto, MOST_ENTRIES, readDrop, TooManyError, takesDrop, thresholdOf } from './drop';
import { Place } from './place';
import { say } from './say';
import { translateSchema } from './schemas';
import { labServer } from './server';
import { placeBelowPath, TransferList } from './transfer_list';
import { wordsOf } from './words';

const COMMAND = 'progresswidget:upload';
const PLUGIN = 'progresswidget:uploads';
/** What JupyterLab shows while a file is held over a listing. */
const FRAME = 'jp-mod-native-drop';

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
      askAboutFolder: (name, count) => askAboutFolder(name, count, words),
      pickFolderAgain: chooseFolder,
      namesIn: (folder) => place.namesIn(folder),
      makeFolder: (path) => place.makeFolder(path),
      arrived: (folder) => place.refresh(folder),
    });
    let from = thresholdOf(15);
    void readSettings(registry, (value) => {
      from = value;
    });

    /** Send into a folder, and say in words why nothing is sent. */
    const { failed, close } = words.files;
    const fail = (why: string) => say(failed, why, close);
    const guarded = async (folder: string, send: () => Promise<void>) => {
      try {
        if (await place.isWritable(folder)) await send();
        else await fail(words.upload.readOnly);
      } catch (error) {
        await fail(whyNot(error, words));
      }
    };
    const attach = (browser: FileBrowser) => {
      const said = withUploads(messages, words);
      const list = new TransferList(all, words.upload.list, said, words.upload.facts);
      placeBelowPath(browser, list);
      browser.node.addEventListener(
        'drop',
        (event) => {
          const folder = place.folderOf(browser);
          if (folder === null || !event.dataTransfer || !isOnListing(event)) return;
          // Where uploads are switched off JupyterLab lets the drop come to nothing.
          if (!allows(browser) || !takesDrop(lookInto(event.dataTransfer), from)) return;
          // Before JupyterLab's own listener, which would upload them without a way back.
          event.preventDefault();
          event.stopPropagation();
          // Which then does not take its frame away either.
          const framed = browser.node.querySelector(`.${FRAME}`);
          framed?.classList.remove(FRAME);
          const reading = readDrop(event.dataTransfer);
          void guarded(folder, async () => {
            const { files, folders } = await reading;
            if (files.length > 0) await all.add(files, folder);
            for (const picked of folders) await all.addFolder(picked, folder);
          });
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
        return browser !== null && allows(browser) && place.folderOf(browser) !== null;
      },
      execute: async () => {
        const browser = place.current;
        const folder = browser && place.folderOf(browser);
        if (folder === null) return;
        const files = await choose(true);
        if (files.length > 0) await guarded(folder, () => all.add(files, folder));
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

/** JupyterLab's own setting, which older versions do not have. */
function allows({ allowFileUploads }: FileBrowser): boolean {
  return allowFileUploads !== false;
}

function whyNot(error: unknown, { upload, files }: LabWords): string {
  if (error instanceof TooManyError) return upload.tooMany(error.folder, MOST_ENTRIES);
  if (error instanceof TypeError) return files.failure.unreachable;
  return error instanceof Error && error.message ? error.message : files.failure.refused;
}

function isOnListing({ target }: Event): boolean {
  return target instanceof Element && target.closest('.jp-DirListing-content') !== null;
}
