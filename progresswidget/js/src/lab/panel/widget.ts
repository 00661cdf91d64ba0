/** The side panel with every export: search, states, the list, and what the disk holds. */

import { FilenameSearcher, SidePanel, Toolbar } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Panel, Widget } from '@lumino/widgets';
import { EVERYTHING, type Order, summarise } from '../../jobs/query';
import { Selection } from '../../jobs/selection';
import { linkText } from '../../view/connection_words';
import { block, setAttribute, setText, setTitle, span } from '../../view/dom';
import { steady } from '../../view/offsets';
import { adoptStyle } from '../../view/stylesheet';
import { VirtualList } from '../../view/virtual_list';
import type { IExports } from '../exports';
import { exportsIcon } from '../icon';
import { type DiskUse, DiskWatch, diskText, fetchDiskUse } from './disk';
import { Empty } from './empty';
import { ExportRow } from './row';
import { States } from './states';
import { adoptPanelStyle } from './style';

const EXAMPLE = 'pw.export(df, "sales.parquet")';

export class ExportsPanel extends SidePanel {
  readonly #exports: IExports;
  readonly #living = new AbortController();
  readonly #selection: Selection;
  readonly #list: VirtualList;
  readonly #states: States;
  readonly #empty: Empty;
  readonly #scope = document.createElement('button');
  readonly #foot = block('pw-exports-foot');
  readonly #disk = span('pw-exports-disk');
  readonly #link = span('pw-exports-link');
  readonly #reconnect = document.createElement('button');
  readonly #watch: DiskWatch;
  #use: DiskUse | null = null;

  constructor(exports: IExports, commands: CommandRegistry) {
    super({ content: new Panel(), toolbar: new Toolbar() });
    this.#exports = exports;
    const { words, messages, feed, server, preferences } = exports;
    const { signal } = this.#living;
    this.id = 'progresswidget-exports';
    this.title.icon = exportsIcon;
    this.title.caption = words.title;
    this.node.ariaLabel = words.title;
    this.node.role = 'region';
    this.node.lang = messages.locale;
    this.addClass('pw-exports');
    this.toolbar.addClass('pw-exports-toolbar');

    const query = { ...EVERYTHING, order: preferences.order };
    this.#selection = new Selection(feed.records, query, messages.locale);
    const folds = {
      isOpen: (taskId: string) => this.#selection.isOpen(taskId),
      depthOf: (taskId: string) => this.#selection.depthOf(taskId),
      flip: (taskId: string) => {
        this.#selection.flip(taskId);
        this.#list.arrange(this.#selection.keys);
        this.#list.refresh([taskId]);
      },
    };
    this.#list = new VirtualList({
      label: words.list,
      estimate: 48,
      hold: steady,
      create: (taskId) => new ExportRow(taskId, exports, commands, folds),
    });
    this.#states = new States(messages, words, (statuses) => this.#ask({ statuses }), signal);
    this.#empty = new Empty(signal);
    this.#scope.type = 'button';
    this.#scope.className = 'pw-state pw-scope';
    this.#scope.ariaPressed = 'true';
    this.#scope.hidden = true;
    this.#scope.addEventListener('click', () => this.showNotebook(null), { signal });
    this.#reconnect.type = 'button';
    this.#reconnect.className = 'pw-state';
    this.#reconnect.textContent = messages.action.reconnect;
    this.#reconnect.addEventListener('click', () => feed.reconnect(), { signal });
    this.#foot.append(this.#link, this.#reconnect, this.#disk);

    const search = FilenameSearcher({
      updateFilter: (_, text) => this.#ask({ text: text ?? '' }),
      placeholder: words.search,
      useFuzzyFilter: false,
      forceRefresh: true,
    });
    search.addClass('pw-exports-search');
    const body = new Widget();
    body.addClass('pw-exports-body');
    body.node.append(this.#empty.element, this.#list.element);
    const head = new Widget();
    head.addClass('pw-exports-head');
    head.node.append(this.#scope, this.#states.element);
    this.content.addClass('pw-exports-content');
    this.content.addWidget(search);
    this.content.addWidget(head);
    this.content.addWidget(body);
    this.content.addWidget(new Widget({ node: this.#foot }));

    this.#watch = new DiskWatch(
      () => fetchDiskUse(server, signal),
      (use) => this.#showDisk(use),
      signal,
    );
    feed.records.follow((changed) => {
      this.#keepFocus(() => {
        const { rearranged, rows } = this.#selection.apply(changed);
        if (rearranged) this.#list.arrange(this.#selection.keys);
        this.#list.refresh(rows);
        this.#update(rearranged);
      });
    }, signal);
    feed.followState(() => {
      this.#keepFocus(() => {
        this.#list.refresh();
        this.#update(true);
      });
    }, signal);
    this.#list.arrange(this.#selection.keys);
    this.#update(true);
  }

  get order(): Order {
    return this.#selection.query.order;
  }

  set order(order: Order) {
    if (order !== this.order) this.#ask({ order });
  }

  /** Sort as a person has just chosen from a menu, which has taken the keyboard with it. */
  sortBy(order: Order): void {
    this.order = order;
    this.#takeFocus();
  }

  /** What the disk holds, as last heard. */
  get diskUse(): DiskUse | null {
    return this.#use;
  }

  /** Show the exports of one notebook alone; null for those of all. */
  showNotebook(notebook: string | null): void {
    this.#states.chosen = null;
    this.#ask({ notebook, statuses: null });
  }

  /** Show one job, whatever was searched for. */
  reveal(taskId: string): void {
    if (!this.#selection.keys.includes(taskId)) this.#showAll();
    this.#selection.unfold(taskId);
    this.#list.arrange(this.#selection.keys);
    this.#list.refresh();
    this.#list.focus(taskId);
  }

  lookAtDisk(): void {
    if (this.isVisible) this.#watch.lookNow();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#living.abort();
    this.#list.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    adoptStyle(this.node);
    adoptPanelStyle(this.node);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.#list.refresh();
    this.#watch.lookNow();
  }

  protected override onActivateRequest(): void {
    this.#takeFocus();
  }

  #takeFocus(): void {
    if (this.#selection.keys.length > 0) this.#list.focus();
    else this.#field?.focus();
  }

  /** JupyterLab's own search field, once React has drawn it. */
  get #field(): (HTMLElement & { value: string }) | null {
    return this.node.querySelector('.jp-FilterBox');
  }

  /** Lead out of whatever hides jobs. */
  #showAll(): void {
    const field = this.#field;
    if (field) {
      field.value = '';
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
    this.showNotebook(null);
  }

  #ask(change: Partial<Selection['query']>): void {
    this.#keepFocus(() => {
      this.#selection.query = { ...this.#selection.query, ...change };
      this.#list.arrange(this.#selection.keys);
      this.#list.refresh();
      this.#update(true);
    });
  }

  /** Change what is shown; the keyboard stays in the panel when what it was at goes away. */
  #keepFocus(change: () => void): void {
    const before = document.activeElement;
    const held = before !== null && this.node.contains(before);
    change();
    // The browser itself takes the focus from what is hidden no sooner than the next frame.
    const now = document.activeElement;
    const kept = now !== null && this.node.contains(now) && now.checkVisibility();
    if (!held || kept || !this.isVisible) return;
    if (!this.#states.element.contains(before) || !this.#states.focus()) this.#takeFocus();
  }

  #update(rearranged: boolean): void {
    const { feed } = this.#exports;
    const { notebook } = this.#selection.query;
    const records = [...feed.records.values()];
    const within = records.filter((record) => notebook == null || record.notebook === notebook);
    this.#states.update(summarise(within));
    this.#scope.hidden = notebook == null;
    setText(this.#scope, notebook?.split('/').at(-1) ?? '');
    setTitle(this.#scope, notebook ?? '');
    if (rearranged) this.#showEmptiness();
    if (this.isVisible) this.#watch.lookSoon();
  }

  #showEmptiness(): void {
    const { feed, words, messages } = this.#exports;
    const { connection } = feed;
    const none = this.#selection.keys.length === 0;
    this.#list.element.hidden = none;
    const offline = connection.kind === 'offline';
    // In the place of the list it is said larger.
    setText(this.#link, offline && none ? '' : linkText(connection, null, messages));
    setAttribute(this.#link, 'data-connection', connection.kind);
    this.#reconnect.hidden = !offline || none;
    this.#showFoot();
    if (!none) {
      this.#empty.show(null);
    } else if (feed.records.size > 0) {
      const run = () => this.#showAll();
      const { notebook, text, statuses } = this.#selection.query;
      const isOwn = notebook != null && text.trim() === '' && statuses === null;
      const title = isOwn ? words.nothingOfNotebook : words.nothing;
      this.#empty.show({ title, action: { label: words.showAll, run } });
    } else if (offline) {
      const run = () => feed.reconnect();
      const title = messages.offline[connection.reason];
      this.#empty.show({ title, action: { label: messages.action.reconnect, run } });
    } else if (feed.isComplete) {
      this.#empty.show({ title: words.empty, hint: words.emptyHint, code: EXAMPLE });
    } else {
      this.#empty.show({ title: words.loading });
    }
  }

  #showDisk(use: DiskUse | null): void {
    const { words, messages } = this.#exports;
    this.#use = use;
    const said = use && diskText(use, words, messages);
    setText(this.#disk, said?.text ?? '');
    setTitle(this.#disk, said?.title ?? '');
    this.#showFoot();
  }

  #showFoot(): void {
    this.#foot.hidden = this.#disk.textContent === '' && this.#link.textContent === '';
  }
}
