/** The anywidget of the export dialog. */

import type { AnyModel } from '@anywidget/types';
import type { Column } from './exporting/column_list';
import { dialogWords } from './exporting/dialog_words';
import { type Answer, ExportForm } from './exporting/export_form';
import type { Offers } from './exporting/offers';
import { adoptExportStyle } from './exporting/stylesheet';
import { exportWords } from './exporting/words';
import { languageOfHost, speechOf } from './i18n/speech';
import { adoptStyle } from './view/stylesheet';

interface Traits {
  offers: Offers;
  columns: readonly Column[] | null;
  path: string;
  answer: Answer;
}

interface RenderContext {
  model: AnyModel<Traits>;
  el: HTMLElement;
  /** From anywidget 0.11 on; earlier hosts call the function that `render` returns. */
  signal?: AbortSignal;
}

function render({ model, el, signal }: RenderContext): () => void {
  const { lang } = document.documentElement;
  const { messages, say } = speechOf(languageOfHost(), lang, navigator.language);
  const form = new ExportForm({
    offers: model.get('offers'),
    columns: model.get('columns'),
    path: model.get('path'),
    messages,
    words: say(exportWords(messages)),
    dialogWords: say(dialogWords(messages)),
    first: Math.trunc(Math.random() * 2 ** 40),
    send: (message) => model.send(message),
  });
  const onAnswer = () => form.take(model.get('answer'));
  model.on('change:answer', onAnswer);
  el.append(form.element);
  // Some hosts (marimo, Colab) put `el` into a shadow root only after this call.
  requestAnimationFrame(() => {
    adoptStyle(el);
    adoptExportStyle(el);
  });
  form.start();
  const end = () => {
    model.off('change:answer', onAnswer);
    form.dispose();
  };
  signal?.addEventListener('abort', end);
  return end;
}

export default { render };
