/** The section "Exports" among what runs: JupyterLab's panel, and the tree page of Notebook 7. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers, type IRunningSessions } from '@jupyterlab/running';
import { stopIcon } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';
import { comparison, isSingle } from '../jobs/query';
import { isTerminal, type JobRecord } from '../protocol';
import { type ExportText, exportText } from '../view/export_text';
import { formatCount } from '../view/format';
import { nameOf } from '../view/kinds';
import { IExports } from './exports';
import { exportsIcon } from './icon';
import { JOB } from './job_commands';
import { OPEN } from './panel';
import { adoptPanelStyle } from './panel/style';

/** Milliseconds: JupyterLab draws the whole section anew at each change. */
const EVERY = 500;
/** Jobs that are listed: JupyterLab draws all of a section, in sight or not. */
const MOST = 50;

export const running: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:running',
  description: 'Lists the running exports among terminals and kernels.',
  autoStart: true,
  requires: [IExports],
  optional: [IRunningSessionManagers],
  activate(app: JupyterFrontEnd, exports: IExports, managers: IRunningSessionManagers | null) {
    if (!managers) return;
    const section = new RunningExports(app, exports);
    adoptPanelStyle(document.body);
    let added = false;
    const update = () => {
      const { running } = exports.preferences;
      // A section that JupyterLab has drawn stays there: it is empty then.
      section.setShown(running);
      if (running && !added) managers.add(section);
      added ||= running;
    };
    exports.preferencesChanged.connect(update);
    update();
  },
};

export class RunningExports implements IRunningSessions.IManager {
  readonly name: string;
  readonly supportsMultipleViews = false;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;
  readonly shutdownItemIcon = stopIcon;
  readonly #app: JupyterFrontEnd;
  readonly #exports: IExports;
  readonly #changed: Signal<RunningExports, void> = new Signal(this);
  readonly #living = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown = true;

  constructor(app: JupyterFrontEnd, exports: IExports) {
    this.#app = app;
    this.#exports = exports;
    const { words, feed } = exports;
    this.name = words.title;
    this.shutdownLabel = words.choice.cancel;
    this.shutdownAllLabel = words.cancelAll;
    this.shutdownAllConfirmationText = words.cancelAllBody;
    let any = false;
    const { signal } = this.#living;
    feed.records.follow(() => {
      const some = this.#shown && hasActive(feed.records.values());
      // Nothing to draw for jobs that have ended already.
      if (some || any) this.#changeSoon();
      any = some;
    }, signal);
    signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  get runningChanged(): ISignal<RunningExports, void> {
    return this.#changed;
  }

  setShown(shown: boolean): void {
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#changed.emit();
  }

  /** The newest of them; the panel has them all. */
  running(): IRunningSessions.IRunningItem[] {
    const active = this.#active();
    const items = active.slice(0, MOST).map((record) => this.#item(record));
    return active.length > MOST ? [...items, this.#rest(active.length - MOST)] : items;
  }

  refreshRunning(): void {
    this.#changed.emit();
  }

  shutdownAll(): void {
    for (const record of this.#active()) void this.#cancel(record);
  }

  dispose(): void {
    this.#living.abort();
    Signal.clearData(this);
  }

  #active(): JobRecord[] {
    if (!this.#shown) return [];
    const { feed, messages } = this.#exports;
    return [...feed.records.values()].filter(isActive).sort(comparison('newest', messages.locale));
  }

  #item(record: JobRecord): IRunningSessions.IRunningItem {
    const { feed, messages } = this.#exports;
    const { commands } = this.#app;
    // JupyterLab asks for the items several times for one that it draws, also while nobody looks.
    let text: ExportText | undefined;
    const shown = () => {
      text ??= exportText(record, feed.connection, messages, Date.now());
      return text;
    };
    return {
      className: 'pw-running-item',
      icon: () => exportsIcon,
      label: () => nameOf(record),
      labelTitle: () => shown().title,
      // What it does is seen from how it goes on, and the room is for a word or a number.
      detail: () => (record.status === 'running' && shown().facts[0]) || shown().words,
      open: () => {
        const args = { choice: 'notebook', taskId: record.taskId };
        if (record.notebook !== null) void commands.execute(JOB, args);
        else void commands.execute(OPEN);
      },
      shutdown: () => void this.#cancel(record),
    };
  }

  #rest(count: number): IRunningSessions.IRunningItem {
    const { words, messages } = this.#exports;
    return {
      className: 'pw-running-item',
      icon: () => exportsIcon,
      label: () => words.more(formatCount(count, messages.locale)),
      open: () => void this.#app.commands.execute(OPEN),
    };
  }

  async #cancel({ taskId }: JobRecord): Promise<void> {
    await this.#app.commands.execute(JOB, { choice: 'cancel', taskId });
  }

  #changeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#changed.emit();
    }, EVERY);
  }
}

function isActive(record: JobRecord): boolean {
  return !isTerminal(record.status) && isSingle(record);
}

/** Of thousands, the first one answers for all. */
function hasActive(records: Iterable<JobRecord>): boolean {
  for (const record of records) if (isActive(record)) return true;
  return false;
}
