/** The anywidget: the same bar where no labextension draws it (VS Code, Colab, marimo, …). */

import type { AnyModel } from '@anywidget/types';
import { messagesFor } from './i18n';
import { Job } from './job';
import { isTaskId } from './protocol';
import { decodeSnapshot } from './record';
import { channelOf, fetchJob, serverOfPage } from './server';
import { adoptStyle } from './view/stylesheet';

interface Traits {
  snapshot: unknown;
  server: boolean;
  task_id: string;
  background: boolean;
}

interface RenderContext {
  model: AnyModel<Traits>;
  el: HTMLElement;
  /** From anywidget 0.11 on; earlier hosts call the function that `render` returns. */
  signal?: AbortSignal;
}

function render({ model, el, signal }: RenderContext): () => void {
  const living = new AbortController();
  const end = () => living.abort();
  signal?.addEventListener('abort', end);

  const taskId = model.get('task_id');
  if (!isTaskId(taskId)) return end;
  const snapshot = decodeSnapshot(model.get('snapshot'));
  const found = model.get('server') ? serverOfPage(document, location.href) : null;
  const job = new Job({
    taskId,
    name: snapshot?.name ?? '',
    messages: messagesFor(document.documentElement.lang, navigator.language),
    snapshot,
    server: found,
    comm: (action) => model.send({ action }),
  });
  job.attach(el);
  // Some hosts (marimo, Colab) put `el` into a shadow root only after this call.
  requestAnimationFrame(() => adoptStyle(el));

  const onSnapshot = () => job.setSnapshot(decodeSnapshot(model.get('snapshot')));
  model.on('change:snapshot', onSnapshot);
  living.signal.addEventListener('abort', () => {
    model.off('change:snapshot', onSnapshot);
    job.dispose();
  });

  const start = async () => {
    const known = found && (await fetchJob(found, taskId, living.signal));
    if (living.signal.aborted) return;
    if (found && known) job.follow(channelOf(found));
    else job.render();
  };
  void start();
  return end;
}

export default { render };
