/** Transfers as a compact list below the path of a file browser; without any it takes no room. */

import { Panel, Widget } from '@lumino/widgets';
import type { Messages } from '../i18n';
import type { TransferState } from '../transfer';
import type { GroupFacts } from '../upload/group';
import { block, setText } from '../view/dom';
import { adoptStyle } from '../view/stylesheet';
import type { Direction } from '../view/transfer_presentation';
import { TransferView } from '../view/transfer_view';
import { adoptPanelStyle } from './panel/style';

/** One file on its way. */
export interface Item {
  readonly name: string;
  readonly direction: Direction;
  /** Hear of each state, the present one included, until the signal aborts. */
  follow(listener: (state: TransferState | null) => void, signal: AbortSignal): void;
  pause(): Promise<void>;
  resume(): Promise<void>;
  cancel(): Promise<void>;
  dismiss(): Promise<void>;
  /** Once more from the first byte. */
  again(): Promise<void>;
  /** Of a folder: how its files fare. */
  readonly facts?: GroupFacts;
}

export interface Items {
  readonly all: readonly Item[];
  /** Hear of items that come and go, until the signal aborts. */
  follow(listener: () => void, signal: AbortSignal): void;
}

export class TransferList extends Widget {
  readonly #messages: Messages;
  readonly #wordsOf: (facts: GroupFacts) => string;
  readonly #living = new AbortController();
  readonly #rows = new Map<Item, { view: TransferView; end: AbortController }>();

  /** @param wordsOf Says how the files of a folder fare, where there are folders. */
  constructor(
    items: Items,
    label: string,
    messages: Messages,
    wordsOf: (facts: GroupFacts) => string = () => '',
  ) {
    super();
    this.#messages = messages;
    this.#wordsOf = wordsOf;
    this.addClass('pw-transfers');
    this.node.role = 'region';
    this.node.ariaLabel = label;
    this.node.lang = messages.locale;
    this.hide();
    items.follow(() => this.#show(items.all), this.#living.signal);
  }

  override dispose(): void {
    this.#living.abort();
    for (const row of this.#rows.values()) row.view.dispose();
    super.dispose();
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
    adoptPanelStyle(this.node);
  }

  #show(items: readonly Item[]): void {
    takeOff(this.node, () => {
      for (const [item, { view, end }] of this.#rows) {
        if (items.includes(item)) continue;
        end.abort();
        view.dispose();
        this.#rows.delete(item);
      }
      for (const item of items) if (!this.#rows.has(item)) this.#addRow(item);
      this.setHidden(this.#rows.size === 0);
    });
  }

  #addRow(item: Item): void {
    const end = new AbortController();
    const view = new TransferView({
      name: item.name,
      direction: item.direction,
      messages: this.#messages,
      handlers: {
        pause: () => void item.pause(),
        resume: () => void item.resume(),
        cancel: () => void item.cancel(),
        dismiss: () => void item.dismiss(),
        again: () => void item.again(),
      },
    });
    this.#rows.set(item, { view, end });
    this.node.append(view.element);
    const facts = block('pw-note-hint');
    if (item.facts) view.element.append(facts);
    item.follow(
      (state) => {
        if (state) view.update(state);
        if (item.facts) setText(facts, this.#wordsOf(item.facts));
      },
      AbortSignal.any([end.signal, this.#living.signal]),
    );
  }
}

/** Take rows off a list; the keyboard goes to what is left of it, or to the files below. */
export function takeOff(list: HTMLElement, remove: () => void): void {
  const held = list.contains(document.activeElement);
  remove();
  if (!held || list.contains(document.activeElement)) return;
  const left = [...list.querySelectorAll('button')].find((button) => button.checkVisibility());
  const files = list.closest('.jp-FileBrowser')?.querySelector<HTMLElement>('.jp-DirListing');
  // JupyterLab lets the keyboard into the list by the name that had it last.
  const name = files?.querySelector<HTMLElement>('[tabindex="0"]');
  (left ?? name ?? files)?.focus();
}

/** Put a list below the path of a file browser, wherever this version of JupyterLab has it. */
export function placeBelowPath(browser: Widget, list: Widget): boolean {
  for (const panel of descendants(browser)) {
    if (!(panel instanceof Panel)) continue;
    const crumbs = panel.widgets.findIndex((child) => child.hasClass('jp-FileBrowser-crumbs'));
    if (crumbs < 0) continue;
    panel.insertWidget(crumbs + 1, list);
    return true;
  }
  return false;
}

function* descendants(widget: Widget): Iterable<Widget> {
  yield widget;
  for (const child of widget.children()) yield* descendants(child);
}
