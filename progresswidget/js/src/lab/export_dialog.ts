/** The dialog of "Export As…": asks until what was chosen can be done, and loses no input. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { FormatForm } from '../exporting/format_form';
import { type Choice, type Offers, stemOf, usualFormat } from '../exporting/offers';
import { adoptExportStyle } from '../exporting/stylesheet';
import type { ExportWords } from '../exporting/words';
import { adoptStyle } from '../view/stylesheet';

export interface Question {
  readonly source: string;
  readonly offers: Offers;
  readonly words: ExportWords;
  readonly locale: string;
}

/** What is suggested for a file. */
export function firstChoice({ source, offers }: Question): Choice {
  const offer = usualFormat(offers, source);
  const ending = offer?.endings[0] ?? '';
  return { format: offer?.name ?? '', packing: '', name: stemOf(source) + ending, options: {} };
}

/**
 * Ask once.
 *
 * @param error What was wrong with the choice before.
 * @returns Null where the person thinks better of it.
 */
export async function askFor(
  question: Question,
  body: ExportBody,
  error: string | null,
): Promise<Choice | null> {
  const { words, source } = question;
  body.showError(error);
  const { button } = await showDialog({
    title: words.title(source),
    body: new Holder(body),
    focusNodeSelector: error ? 'input' : 'select',
    buttons: [
      Dialog.cancelButton({ label: words.cancel }),
      Dialog.okButton({ label: words.export }),
    ],
  });
  return button.accept ? body.value : null;
}

/** What a person fills in; it outlives the dialog that shows it. */
export class ExportBody {
  readonly element = document.createElement('div');
  readonly #form: FormatForm;
  readonly #error = document.createElement('p');

  constructor(question: Question, choice: Choice) {
    const { offers, words, locale } = question;
    this.element.className = 'pw-dialog pw-export-body';
    this.element.lang = locale;
    this.#error.className = 'pw-export-error';
    this.#error.role = 'alert';
    this.#form = new FormatForm({ offers, words, choice });
    this.element.append(this.#error, this.#form.element);
  }

  get value(): Choice {
    return this.#form.value;
  }

  showError(text: string | null): void {
    this.#error.textContent = text;
    this.#error.hidden = !text;
  }
}

/** JupyterLab disposes the widget with its dialog; what is in it is put in late, and stays. */
class Holder extends Widget {
  readonly #body: ExportBody;

  constructor(body: ExportBody) {
    super();
    this.#body = body;
  }

  protected override onAfterAttach(): void {
    this.node.append(this.#body.element);
    adoptStyle(this.node);
    adoptExportStyle(this.node);
  }
}
