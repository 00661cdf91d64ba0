/** "Export As…" in the file browser: a table of the server as another format, without a kernel. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  type FileBrowser,
  IDefaultFileBrowser,
  IFileBrowserFactory,
} from '@jupyterlab/filebrowser';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import {
  ConversionFailure,
  convert,
  fetchOffers,
  runningConversions,
  type ServerOffers,
} from '../exporting/conversions';
import { type Choice, isReadable, nameFault } from '../exporting/offers';
import type { ExportWords } from '../exporting/words';
import type { JobRecord } from '../protocol';
import type { Server } from '../server';
import { freeName } from '../upload/plan';
import { askAboutTaken } from './ask_taken';
import { ConversionList } from './conversion_list';
import { askFor, ExportBody, firstChoice } from './export_dialog';
import { exportsIcon } from './icon';
import { type Chosen, Place } from './place';
import { say } from './say';
import { translateSchema } from './schemas';
import { labServer } from './server';
import { placeBelowPath } from './transfer_list';
import { type Words, wordsOf } from './words';

const PLUGIN = 'progresswidget:export-as';
const COMMAND = 'progresswidget:export-as';

export const exportAs: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Writes tables as files of other formats, from the file browser.',
  autoStart: true,
  optional: [IFileBrowserFactory, IDefaultFileBrowser, ISettingRegistry, ITranslator],
  activate(
    app: JupyterFrontEnd,
    factory: IFileBrowserFactory | null,
    standard: FileBrowser | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
  ) {
    const said = wordsOf(translator);
    const { messages, exporting: words } = said;
    translateSchema(registry, translator, said.words, PLUGIN);
    if (!factory) return;
    const server = labServer(app.serviceManager.serverSettings);
    const place = new Place(app.serviceManager.contents, factory, standard);
    const lists = new Set<ConversionList>();
    const show = (record: JobRecord) => {
      for (const list of lists) list.add(record);
    };
    const table = (): Chosen | null => {
      const file = place.chosenFile;
      return file && isReadable(file.name) ? file : null;
    };

    let isAsked = false;
    /** The first answer takes the server a second or two: while a person still reads the menu. */
    const askAhead = () => {
      if (isAsked) return;
      isAsked = true;
      fetchOffers(server).catch(() => {
        isAsked = false;
      });
    };

    app.commands.addCommand(COMMAND, {
      label: words.command,
      caption: words.caption,
      icon: exportsIcon,
      isVisible: () => {
        const file = table();
        if (file) askAhead();
        return file !== null;
      },
      execute: async () => {
        const file = table();
        const record = file && (await new Wish(server, place, file, said).fulfil());
        if (record) show(record);
        place.takeKeyboard();
      },
    });
    place.forEach((browser) => {
      const written = ({ contents }: JobRecord) => place.refresh(folderOf(contents ?? ''));
      const list = new ConversionList({ server, messages, words, written });
      if (placeBelowPath(browser, list)) lists.add(list);
      browser.disposed.connect(() => lists.delete(list));
      void runningConversions(server).then((records) => {
        for (const one of records) list.add(one);
      });
    });
  },
};

/** What a person wants of one file, until it is done or they think better of it. */
class Wish {
  constructor(
    readonly server: Server,
    readonly place: Place,
    readonly file: Chosen,
    readonly said: Words,
  ) {}

  get words(): ExportWords {
    return this.said.exporting;
  }

  async fulfil(): Promise<JobRecord | null> {
    const offers = await this.#offers();
    if (!offers) return null;
    const { words, file, said } = this;
    const question = { source: file.name, offers, words, locale: said.messages.locale };
    const body = new ExportBody(question, firstChoice(question));
    let error: string | null = null;
    for (;;) {
      const choice = await askFor(question, body, error);
      if (!choice) return null;
      const done = await this.#begin(choice);
      if (typeof done !== 'string') return done;
      error = done;
    }
  }

  /** The new job, or what is to be said; null where the person thinks better of it. */
  async #begin(choice: Choice): Promise<JobRecord | string | null> {
    const { words, file, place, server, said } = this;
    const fault = nameFault(choice.name);
    if (fault) return words.fault[fault];
    const folder = folderOf(file.path);
    try {
      let { name } = choice;
      let overwrite = false;
      const taken = await place.namesIn(folder).catch(() => new Set<string>());
      if (name !== file.name && taken.has(name)) {
        const answer = await askAboutTaken(name, said.words);
        if (!answer) return '';
        overwrite = answer === 'replace';
        if (!overwrite) name = freeName(name, taken);
      }
      const target = folder === '' ? name : `${folder}/${name}`;
      const order = {
        source: file.path,
        target,
        format: choice.format + choice.packing,
        overwrite,
        options: choice.options,
      };
      return await convert(server, order, newKey());
    } catch (error) {
      if (error instanceof ConversionFailure) return words.failure[error.key];
      throw error;
    }
  }

  async #offers(): Promise<ServerOffers | null> {
    const { server, words } = this;
    try {
      const offers = await fetchOffers(server);
      if (offers.allowed && offers.engine) return offers;
      await this.#say(offers.allowed ? words.noEngine : words.off);
    } catch (error) {
      if (!(error instanceof ConversionFailure)) throw error;
      await this.#say(words.failure[error.key]);
    }
    return null;
  }

  async #say(text: string): Promise<void> {
    const { words } = this;
    await say(words.noEngineTitle, text, words.close);
  }
}

/** A secure page alone has `randomUUID`. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16)).join('-');
}

function folderOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}
