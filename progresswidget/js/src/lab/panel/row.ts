/** One job in the panel: its icon, its name, what is known of it, and its buttons. */

import type { CommandRegistry } from '@lumino/commands';
import { buttonsFor, type Choice, choicesFor } from '../../jobs/choices';
import {
  block,
  button,
  setAttribute,
  setDepth,
  setHidden,
  setStyle,
  setText,
  setTitle,
  span,
} from '../../view/dom';
import { exportText } from '../../view/export_text';
import { inOneLine } from '../../view/format';
import { PARTS_ICON } from '../../view/icons';
import { nameOf } from '../../view/kinds';
import { StateMark } from '../../view/state_mark';
import { Track } from '../../view/track';
import type { Row } from '../../view/virtual_list';
import type { IExports } from '../exports';
import { ICONS, JOB } from '../job_commands';

const BUTTON = 'jp-ToolbarButtonComponent jp-mod-minimal jp-Button pw-export-button';

/** What of a group is folded. */
export interface Folds {
  /** Null of what has no parts. */
  isOpen(taskId: string): boolean | null;
  flip(taskId: string): void;
  /** How far inwards a row stands. */
  depthOf(taskId: string): number;
}

export class ExportRow implements Row {
  readonly element = block('pw-export');
  readonly #exports: IExports;
  readonly #commands: CommandRegistry;
  readonly #taskId: string;
  readonly #folds: Folds;
  readonly #living = new AbortController();
  readonly #icon = new StateMark();
  readonly #name = document.createElement('bdi');
  readonly #text = block('pw-export-text');
  readonly #track = new Track();
  readonly #actions = span('pw-export-actions');
  readonly #fold = button(`${BUTTON} pw-export-fold`, PARTS_ICON);
  readonly #buttons = new Map<Choice, HTMLButtonElement>();

  constructor(taskId: string, exports: IExports, commands: CommandRegistry, folds: Folds) {
    this.#taskId = taskId;
    this.#exports = exports;
    this.#commands = commands;
    this.#folds = folds;
    const main = block('pw-export-main');
    this.#name.className = 'pw-export-name';
    main.append(this.#name, this.#text);
    const { signal } = this.#living;
    this.#fold.addEventListener('click', () => folds.flip(taskId), { signal });
    this.element.append(this.#icon.element, main, this.#actions, this.#track.element);
  }

  update(): void {
    const { feed, messages } = this.#exports;
    const record = feed.records.get(this.#taskId);
    if (!record) return;
    const shown = exportText(record, feed.connection, messages, Date.now());
    setAttribute(this.element, 'data-stage', shown.stage);
    setAttribute(this.element, 'data-state', record.status);
    setAttribute(this.element, 'data-stale', String(shown.stale));
    this.#icon.show(shown.icon);
    const name = nameOf(record);
    setText(this.#name, name);
    setAttribute(this.element, 'data-part', String(record.parent !== null));
    setDepth(this.element, this.#folds.depthOf(this.#taskId));
    const open = this.#folds.isOpen(this.#taskId);
    if (open === null) this.#fold.remove();
    else if (this.#fold.parentNode === null) this.#track.element.before(this.#fold);
    setAttribute(this.#fold, 'aria-expanded', String(open === true));
    setAttribute(this.#fold, 'aria-label', messages.group.parts(name));
    setTitle(this.#fold, messages.group.parts(name));
    setText(this.#text, inOneLine([shown.words, ...shown.facts]));
    setTitle(this.element, shown.title);
    const label = messages.label(name, record.kind);
    this.#track.update(label, shown.valueText, shown.percent, shown.moving);
    setHidden(this.#track.element, !shown.active);
    setStyle(this.#track.fill, 'width', `${shown.percent ?? 0}%`);
    this.#arrange(buttonsFor(choicesFor(record, feed.isConnected)), name);
  }

  /** What a click on the row would most probably be for. */
  press(): void {
    const [first] = [...this.#buttons.values()];
    first?.focus({ preventScroll: true });
  }

  dispose(): void {
    this.#living.abort();
  }

  #arrange(choices: readonly Choice[], name: string): void {
    for (const [choice, button] of this.#buttons) {
      if (choices.includes(choice)) continue;
      const held = button.matches(':focus');
      button.remove();
      this.#buttons.delete(choice);
      // The keyboard stays in the row whose button has gone.
      if (held) this.element.focus({ preventScroll: true });
    }
    for (const choice of choices) {
      const button = this.#buttons.get(choice) ?? this.#add(choice);
      setAttribute(button, 'aria-label', `${this.#exports.words.choice[choice]} ${name}`);
    }
  }

  #add(choice: Choice): HTMLButtonElement {
    const made = button(BUTTON);
    made.dataset.choice = choice;
    made.title = this.#exports.words.choice[choice];
    ICONS[choice].element({ container: made, stylesheet: 'toolbarButton' });
    made.addEventListener(
      'click',
      () => void this.#commands.execute(JOB, { choice, taskId: this.#taskId }),
      { signal: this.#living.signal },
    );
    this.#buttons.set(choice, made);
    this.#actions.append(made);
    return made;
  }
}
