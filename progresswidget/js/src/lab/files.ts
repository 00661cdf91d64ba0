/** Downloads, archives and links in the file browser's context menu. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  type FileBrowser,
  IDefaultFileBrowser,
  IFileBrowserFactory,
} from '@jupyterlab/filebrowser';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { downloadIcon, linkIcon } from '@jupyterlab/ui-components';
import { archiveAddress, contentsAddress, downloadFile, FileFailure } from '../files';
import type { LabWords } from '../i18n/lab';
import { canSave } from '../save/file_access';
import { FileSaves } from '../save/file_saves';
import { giveLink } from './link_dialog';
import { Place } from './place';
import { say } from './say';
import { translateSchema } from './schemas';
import { labServer } from './server';
import { placeBelowPath, TransferList } from './transfer_list';
import { wordsOf } from './words';

const DOWNLOAD = 'progresswidget:download';
const ARCHIVE = 'progresswidget:archive';
const LINK = 'progresswidget:link';
/** What the server takes of one folder at a time. */
const MOST_NAMES = 500;

export const files: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:files',
  description: 'Downloads files and folders, and makes links to files.',
  autoStart: true,
  optional: [IFileBrowserFactory, IDefaultFileBrowser, ISettingRegistry, ITranslator],
  activate(
    app: JupyterFrontEnd,
    factory: IFileBrowserFactory | null,
    standard: FileBrowser | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
  ) {
    const { messages, words } = wordsOf(translator);
    translateSchema(registry, translator, words, files.id);
    if (!factory) return;
    const server = labServer(app.serviceManager.serverSettings);
    const place = new Place(app.serviceManager.contents, factory, standard);
    const saves = new FileSaves(contentsAddress(server, ''));
    const { commands } = app;

    const guarded = (work: () => Promise<void>) => () => orSay(work, words);

    commands.addCommand(DOWNLOAD, {
      label: words.files.download,
      caption: canSave() ? words.files.saveCaption : words.files.downloadCaption,
      icon: downloadIcon,
      isVisible: () => place.chosenFile !== null,
      execute: guarded(async () => {
        const file = place.chosenFile;
        if (!file) return;
        const url = contentsAddress(server, file.path);
        if (canSave()) await saves.begin(url, file.name);
        else await downloadFile(url, file.name);
      }),
    });
    commands.addCommand(ARCHIVE, {
      label: ({ whole }) => {
        if (whole) return words.files.archiveWhole;
        return place.chosen.length > 1 ? words.files.archive : words.files.archiveFolder;
      },
      caption: words.files.archiveCaption,
      icon: downloadIcon,
      isVisible: ({ whole }) => {
        if (whole) return place.current !== null && place.folderOf(place.current) !== null;
        const all = place.chosen;
        return all.length > 1 || all.some(({ isFolder }) => isFolder);
      },
      execute: ({ whole }) =>
        orSay(async () => {
          const folder = place.current && place.folderOf(place.current);
          if (folder === null) return;
          const names = whole ? [] : place.chosen.map(({ name }) => name);
          if (names.length > MOST_NAMES) throw new FileFailure('tooMany');
          await downloadFile(archiveAddress(server, folder, names), archiveName(folder, names));
        }, words),
    });
    commands.addCommand(LINK, {
      label: words.files.link,
      caption: words.files.linkCaption,
      icon: linkIcon,
      isVisible: () => place.chosenFile !== null,
      execute: guarded(async () => {
        const file = place.chosenFile;
        if (file) await giveLink(server, file, { messages, words });
        place.takeKeyboard();
      }),
    });
    place.forEach((browser) => {
      placeBelowPath(browser, new TransferList(saves, words.files.list, messages));
    });
    if (canSave()) void saves.recall();
  },
};

/** The server's own rule; what it sends along is what counts. */
function archiveName(folder: string, names: readonly string[]): string {
  const [first, ...others] = names;
  const stem = first !== undefined && others.length === 0 ? first : folder.split('/').at(-1);
  return `${stem || 'files'}.zip`;
}

/** Do what a menu asks for, and say it in words where it fails. */
async function orSay(work: () => Promise<void>, { files }: LabWords) {
  const { failure, failed, close } = files;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error;
    await say(failed, failure[error.key], close);
  }
}
