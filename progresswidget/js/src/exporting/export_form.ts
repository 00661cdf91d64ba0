/** The dialog of `pw.export_dialog`: what to write, a look at it, the call as code, and Export. */

import { errorText, type Messages } from '../i18n';
import type { JobError } from '../protocol';
import { type Column, ColumnList } from './column_list';
import type { DialogWords } from './dialog_words';
import { row } from './fields';
import { FormatForm } from './format_form';
import { nameFault, type Offers } from './offers';
import { type Preview, PreviewTable } from './preview_table';
import type { ExportWords } from './words';

/** Milliseconds without a key before something is asked. */
const PAUSE = 350;
/** Milliseconds after which a kernel that says nothing is called busy. */
const BUSY = 2_000;

export interface Answer {
  readonly re?: number;
  readonly exporting?: boolean;
  readonly code?: string;
  readonly exists?: boolean;
  readonly taken?: boolean;
  readonly preview?: Preview;
  readonly error?: JobError | null;
}

export interface Wish {
  readonly path: string;
  readonly format: string;
  readonly columns: readonly string[] | null;
  readonly where: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly overwrite: boolean;
}

export interface ExportFormOptions {
  readonly offers: Offers;
  /** Null where only the export itself will know them. */
  readonly columns: readonly Column[] | null;
  readonly path: string;
  readonly messages: Messages;
  readonly words: ExportWords;
  readonly dialogWords: DialogWords;
  /** What the numbers of its messages follow: each view has others, and knows its answers by them. */
  readonly first: number;
  /** Tell the kernel; under the number its answer has. */
  readonly send: (message: Readonly<Record<string, unknown>>) => void;
}

export class ExportForm {
  readonly element = document.createElement('section');
  readonly #options: ExportFormOptions;
  readonly #form: FormatForm;
  readonly #columns: ColumnList | null;
  readonly #where = document.createElement('textarea');
  readonly #preview: PreviewTable;
  readonly #error = document.createElement('p');
  readonly #code = document.createElement('code');
  readonly #copy = document.createElement('button');
  readonly #replace = document.createElement('input');
  readonly #replaceRow: HTMLElement;
  readonly #export = document.createElement('button');
  #number: number;
  /** The question whose answer counts; null while a newer one is about to be asked. */
  #asked: number | null = null;
  /** The export that is not yet answered: until then there is no second one. */
  #exporting: number | null = null;
  /** What became of the last export, until something is changed. */
  #refused: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ExportFormOptions) {
    this.#options = options;
    this.#number = options.first;
    const { offers, columns, path, messages, words, dialogWords } = options;
    this.element.className = 'pw-dialog pw-export-dialog';
    this.element.lang = messages.locale;
    this.element.ariaLabel = dialogWords.label;
    // The host's shortcuts are not for what is typed here.
    this.element.dataset.lmSuppressShortcuts = 'true';
    const changed = () => this.#soon();
    this.#form = new FormatForm({ offers, words, choice: choiceOf(path, offers), changed });
    this.#columns = columns && new ColumnList(columns, dialogWords, messages, changed);
    this.#where.rows = 2;
    this.#where.spellcheck = false;
    this.#where.placeholder = dialogWords.whereHint;
    this.#where.addEventListener('input', changed);
    this.#preview = new PreviewTable(dialogWords, messages);
    this.#error.className = 'pw-export-error';
    this.#error.role = 'alert';
    this.#error.hidden = true;
    this.#replace.type = 'checkbox';
    this.#replaceRow = row(dialogWords.replace, this.#replace);
    this.#replaceRow.hidden = true;
    this.element.append(this.#inputs(), this.#results());
  }

  /** Ask for the first preview. */
  start(): void {
    this.#ask();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#patience);
    this.#columns?.dispose();
  }

  /** Take what the kernel has found; an answer to an earlier question is no answer. */
  take(answer: Answer): void {
    if (answer.exporting) this.#takeExport(answer);
    else if (answer.re === this.#asked) this.#takePreview(answer);
  }

  /** What was edited meanwhile changes nothing about what an export has to say. */
  #takeExport(answer: Answer): void {
    if (answer.re === this.#exporting) {
      this.#exporting = null;
      this.#export.disabled = false;
    }
    clearTimeout(this.#patience);
    this.#refused = this.#textOf(answer);
    this.#fail(this.#refused);
    if (answer.error) {
      if (answer.exists || answer.taken) this.#replaceRow.hidden = false;
    } else {
      this.#replace.checked = false;
      this.#ask();
    }
  }

  #takePreview(answer: Answer): void {
    clearTimeout(this.#patience);
    if (answer.code !== undefined) this.#code.textContent = answer.code;
    this.#replaceRow.hidden = !(answer.exists || answer.taken);
    this.#fail(this.#textOf(answer) ?? this.#refused);
    if (answer.preview) this.#preview.show(answer.preview);
    else if (answer.error) this.#preview.say('');
    else {
      this.#preview.clear();
      this.#preview.say(this.#options.dialogWords.later);
    }
  }

  #textOf({ error }: Answer): string | null {
    const text = error && errorText(this.#options.messages, error);
    return text ? `${text.message} ${text.hint}`.trim() : null;
  }

  get wish(): Wish {
    const { format, packing, name, options } = this.#form.value;
    return {
      path: name,
      format: format + packing,
      columns: this.#columns?.value ?? null,
      where: this.#where.value.trim(),
      options,
      overwrite: this.#replace.checked,
    };
  }

  #inputs(): HTMLElement {
    const { words, dialogWords } = this.#options;
    const element = group('pw-export-inputs');
    const where = group('pw-export-where');
    const label = document.createElement('label');
    label.append(dialogWords.where, this.#where);
    where.append(label);
    const columns = this.#columns?.element ?? note(dialogWords.unknown);
    this.#export.type = 'button';
    this.#export.className = 'pw-mod-accept';
    this.#export.textContent = words.export;
    this.#export.addEventListener('click', () => this.#begin());
    element.append(this.#form.element, columns, where, this.#replaceRow);
    return element;
  }

  #results(): HTMLElement {
    const { dialogWords } = this.#options;
    const element = group('pw-export-results');
    const code = group('pw-export-code');
    const pre = document.createElement('pre');
    pre.tabIndex = 0;
    pre.role = 'region';
    pre.ariaLabel = dialogWords.code;
    pre.append(this.#code);
    this.#copy.type = 'button';
    this.#copy.textContent = dialogWords.copy;
    this.#copy.addEventListener('click', () => void this.#copyCode());
    code.append(pre, this.#copy);
    const actions = group('pw-export-submit');
    actions.append(this.#export);
    element.append(this.#preview.element, code, this.#error, actions);
    return element;
  }

  async #copyCode(): Promise<void> {
    const { dialogWords } = this.#options;
    try {
      await navigator.clipboard.writeText(this.#code.textContent ?? '');
      this.#copy.textContent = dialogWords.copied;
    } catch {
      // Only pages of a secure address have a clipboard: the code is picked, to be copied by hand.
      getSelection()?.selectAllChildren(this.#code);
    }
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#asked = null; // an answer that comes now is late
    this.#refused = null;
    this.#timer = setTimeout(() => this.#ask(), PAUSE);
  }

  #ask(): void {
    const { dialogWords } = this.#options;
    clearTimeout(this.#timer);
    this.#copy.textContent = dialogWords.copy;
    if (this.#refuse()) return;
    this.#preview.say(dialogWords.asking);
    this.#asked = this.#tell('ask');
  }

  #begin(): void {
    clearTimeout(this.#timer);
    if (this.#exporting !== null || this.#refuse()) return;
    this.#export.disabled = true;
    this.#refused = null;
    this.#exporting = this.#tell('export');
  }

  #tell(what: 'ask' | 'export'): number {
    const { send, dialogWords } = this.#options;
    this.#number += 1;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#preview.say(dialogWords.busy), BUSY);
    send({ [what]: this.wish, re: this.#number });
    return this.#number;
  }

  /** Say what the kernel need not be asked about. */
  #refuse(): boolean {
    const { words, dialogWords } = this.#options;
    const { path, columns } = this.wish;
    const fault = nameFault(path);
    // A path into another folder is fine in a notebook.
    if (fault === 'empty') this.#fail(words.fault.empty);
    else if (columns?.length === 0) this.#fail(dialogWords.noColumn);
    else return false;
    return true;
  }

  #fail(text: string | null): void {
    this.#error.textContent = text;
    this.#error.hidden = text === null;
  }
}

/** What the suggested path says; what cannot be told is the first format that is installed. */
function choiceOf(path: string, { formats, packings }: Offers) {
  const lower = path.toLowerCase();
  const packing = packings.find((one) => lower.endsWith(one)) ?? '';
  const plain = lower.slice(0, lower.length - packing.length);
  const usable = formats.filter(({ missing }) => missing === null);
  const found = usable.find(({ endings }) => endings.some((one) => plain.endsWith(one)));
  return { format: (found ?? usable[0])?.name ?? '', packing, name: path, options: {} };
}

function group(className: string): HTMLElement {
  const element = document.createElement('div');
  element.className = className;
  return element;
}

function note(text: string): HTMLElement {
  const element = document.createElement('p');
  element.textContent = text;
  return element;
}
