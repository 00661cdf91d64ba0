/** The status bar's item: how far everything that runs is together. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { isSingle, type Summary, summarise } from '../jobs/query';
import { block, setAttribute, setData, setText, span } from '../view/dom';
import { formatPercent } from '../view/format';
import { IExports } from './exports';
import { exportsIcon } from './icon';
import { OPEN } from './panel';
import { adoptPanelStyle } from './panel/style';

export const status: JupyterFrontEndPlugin<void> = {
  id: 'progresswidget:status',
  description: 'Shows in the status bar how far the running exports are.',
  autoStart: true,
  requires: [IExports],
  optional: [IStatusBar],
  activate(app: JupyterFrontEnd, exports: IExports, statusBar: IStatusBar | null) {
    if (!statusBar) return;
    const item = new ExportsStatus(exports, () => void app.commands.execute(OPEN));
    statusBar.registerStatusItem(status.id, {
      item,
      align: 'middle',
      rank: 1,
      isActive: () => item.isActive,
      activeStateChanged: item.activeChanged,
    });
  },
};

/** Looks like JupyterLab's own items that show progress: an icon, words, a bar. */
export class ExportsStatus extends Widget {
  readonly activeChanged: Signal<ExportsStatus, void> = new Signal(this);
  readonly #exports: IExports;
  readonly #living = new AbortController();
  readonly #button = document.createElement('button');
  readonly #text = span('jp-StatusBar-TextItem');
  readonly #bar = block('jp-Statusbar-ProgressBar-progress-bar');
  readonly #fill = document.createElement('div');
  #active = false;

  constructor(exports: IExports, open: () => void) {
    super();
    this.#exports = exports;
    const { words, messages, feed } = exports;
    const { signal } = this.#living;
    this.addClass('jp-mod-highlighted');
    this.addClass('pw-status');
    this.node.lang = messages.locale;
    this.node.title = words.caption.open;
    this.#button.type = 'button';
    this.#button.className = 'jp-StatusBar-GroupItem pw-status-button';
    this.#button.addEventListener('click', open, { signal });
    this.#bar.ariaHidden = 'true';
    this.#bar.append(this.#fill);
    const icon = exportsIcon.element({ stylesheet: 'statusBar' });
    this.#button.append(icon, this.#text, this.#bar);
    this.node.append(this.#button);
    feed.records.follow(() => this.#update(), signal);
    feed.followState(() => this.#update(), signal);
    exports.preferencesChanged.connect(this.#update, this);
    this.#update();
  }

  get isActive(): boolean {
    return this.#active;
  }

  protected override onAfterAttach(): void {
    adoptPanelStyle(this.node);
  }

  override dispose(): void {
    this.#living.abort();
    Signal.clearData(this);
    super.dispose();
  }

  #update(): void {
    const { feed, preferences, words, messages } = this.#exports;
    const summary = summarise(feed.records.values(), isSingle);
    const active = summary.active > 0 && preferences.statusBar;
    setData(this.node, 'stale', String(!feed.isConnected));
    if (active) this.#draw(statusText(summary, words.active, messages.locale), summary.progress);
    if (active === this.#active) return;
    this.#active = active;
    this.activeChanged.emit();
  }

  #draw(text: string, progress: number | null): void {
    setText(this.#text, text);
    setAttribute(this.#button, 'aria-label', `${this.#exports.words.title}: ${text}`);
    this.#bar.hidden = progress === null;
    this.#fill.style.width = `${Math.floor(progress ?? 0)}%`;
  }
}

/** "2 jobs 42%"; without the percent where no job knows how far it is. */
export function statusText(
  { active, progress }: Summary,
  words: (count: number) => string,
  locale: string,
): string {
  const percent = progress === null ? null : formatPercent(progress, locale);
  return [words(active), percent].filter((text) => text !== null).join(' ');
}
