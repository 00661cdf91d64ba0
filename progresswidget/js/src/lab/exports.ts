/** What every place of JupyterLab that speaks of exports shares: the jobs, the words, the settings. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import type { ExportWords } from '../exporting/words';
import type { Messages } from '../i18n';
import type { LabWords } from '../i18n/lab';
import { Feed } from '../jobs/feed';
import { channelOf, type Server } from '../server';
import { inNextFrame } from '../view/frame';
import { followPreferences, type Preferences, USUAL } from './preferences';
import { translateSchema } from './schemas';
import { labServer } from './server';
import { wordsOf } from './words';

const PLUGIN = 'progresswidget:exports';

export interface IExports {
  readonly server: Server;
  readonly messages: Messages;
  readonly words: LabWords;
  /** Of conversions. */
  readonly exporting: ExportWords;
  readonly feed: Feed;
  readonly preferences: Preferences;
  readonly preferencesChanged: ISignal<IExports, void>;
}

export const IExports = new Token<IExports>(
  'progresswidget:IExports',
  'Every export that a person may see, live.',
);

class Exports implements IExports {
  readonly messages: Messages;
  readonly words: LabWords;
  readonly exporting: ExportWords;
  readonly feed: Feed;
  readonly preferencesChanged: Signal<IExports, void> = new Signal(this);
  #preferences = USUAL;

  constructor(
    readonly server: Server,
    translator: ITranslator | null,
    registry: ISettingRegistry | null,
  ) {
    const { messages, words, exporting } = wordsOf(translator);
    this.messages = messages;
    this.words = words;
    this.exporting = exporting;
    this.feed = new Feed(channelOf(server), inNextFrame);
    translateSchema(registry, translator, this.words, PLUGIN);
    void followPreferences(registry, PLUGIN, (preferences) => {
      this.#preferences = preferences;
      this.preferencesChanged.emit();
    });
  }

  get preferences(): Preferences {
    return this.#preferences;
  }
}

export const exports: JupyterFrontEndPlugin<IExports> = {
  id: PLUGIN,
  description: 'Follows every export that a person may see.',
  autoStart: true,
  provides: IExports,
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
  ): IExports => new Exports(labServer(app.serviceManager.serverSettings), translator, registry),
};
