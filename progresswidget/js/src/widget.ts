/** The anywidget: our bars where no labextension draws them, and wherever they are laid out. */

import type { AnyModel } from '@anywidget/types';
import { followJob } from './follower';
import { messagesFor } from './i18n';
import { Job } from './job';
import { probe } from './probe';
import { isTaskId } from './protocol';
import { decodeParts, decodeSnapshot } from './record';
import { serverOfPage } from './server';
import {
  hasKernel,
  type JobModel,
  LOSS,
  onTraits,
  PROGRESS_TRAITS,
  type ProgressModel,
  progressTraits,
} from './traits';
import { everySecond } from './view/pace';
import { ProgressView } from './view/progress_view';
import { adoptStyle } from './view/stylesheet';

/** Milliseconds without a word after which a kernel that measures is thought to be gone. */
const SILENCE = 10_000;

interface Context {
  model: AnyModel;
  /** From anywidget 0.11 on; earlier hosts call the function that is returned. */
  signal?: AbortSignal;
}

interface RenderContext extends Context {
  el: HTMLElement;
}

/** Once for each model, drawn or not. */
function initialize({ model, signal }: Context): () => void {
  const living = lifetime(signal);
  followJob(model as JobModel, living.signal);
  return () => living.abort();
}

function render({ model, el, signal }: RenderContext): () => void {
  const living = lifetime(signal);
  el.classList.add('pw-host');
  if (isTaskId(model.get('task_id'))) renderJob(model as JobModel, el, living.signal);
  else if (typeof model.get('value') === 'number') {
    renderProgress(model as ProgressModel, el, living.signal);
  }
  // Some hosts (marimo, Colab) put `el` into a shadow root only after this call.
  requestAnimationFrame(() => adoptStyle(el));
  return () => living.abort();
}

function renderJob(model: JobModel, el: HTMLElement, signal: AbortSignal): void {
  const taskId = model.get('task_id');
  const snapshot = decodeSnapshot(model.get('snapshot'));
  const server = model.get('server') ? serverOfPage(document, location.href) : null;
  const job = new Job({
    taskId,
    name: snapshot?.name ?? '',
    messages: messagesOfPage(),
    snapshot,
    parts: decodeParts(model.get('snapshot')),
    server,
    comm: (action) => model.send({ action }),
    hasKernel: () => hasKernel(el),
  });
  job.attach(el);
  const dress = () => job.view.dress(model.get('description') ?? '', model.get('bar_style') ?? '');
  dress();
  onTraits(model, ['description', 'bar_style'], dress, signal);
  onTraits(
    model,
    ['snapshot'],
    () => {
      const kept = model.get('snapshot');
      job.setSnapshot(decodeSnapshot(kept), decodeParts(kept));
    },
    signal,
  );
  onTraits(model, [LOSS], () => job.render(), signal);
  signal.addEventListener('abort', () => job.dispose());
  const draw = () => job.render();
  if (!server) draw();
  else void probe(server, model, (channel) => job.follow(channel), draw, signal);
}

function renderProgress(model: ProgressModel, el: HTMLElement, signal: AbortSignal): void {
  const view = new ProgressView(messagesOfPage());
  el.append(view.element);
  adoptStyle(el);
  let heard = performance.now();
  const update = () => {
    const traits = progressTraits((name) => model.get(name));
    // A kernel that measures a rate tells it once a second, and one that was killed does not.
    const silent = traits.rate !== null && performance.now() - heard > SILENCE;
    view.update(traits, hasKernel(el) && !silent);
  };
  const changed = () => {
    heard = performance.now();
    update();
  };
  onTraits(model, [...PROGRESS_TRAITS, LOSS], soon(changed, signal), signal);
  update();
  signal.addEventListener('abort', everySecond(update));
  signal.addEventListener('abort', () => view.element.remove());
}

/** Several traits of one message change one after the other: draw once. */
function soon(run: () => void, signal: AbortSignal): () => void {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    queueMicrotask(() => {
      waits = false;
      if (!signal.aborted) run();
    });
  };
}

function lifetime(signal: AbortSignal | undefined): AbortController {
  const living = new AbortController();
  signal?.addEventListener('abort', () => living.abort());
  return living;
}

function messagesOfPage() {
  return messagesFor(document.documentElement.lang, navigator.language);
}

export default { initialize, render };
