/** The renderers of our two MIME types. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';
import type { Messages } from '../i18n';
import { Job, orphan } from '../job';
import { isTerminal, JOB_MIMETYPE, type JobRecord, RECEIPT_MIMETYPE } from '../protocol';
import { channelOf, type Server } from '../server';
import { adoptStyle } from '../view/stylesheet';
import { jobMetadata, withSnapshot } from './output';
import { GRACE, isMyTurn, isShared } from './turns';

export interface RendererContext {
  readonly server: Server;
  readonly messages: Messages;
  readonly rendermime: IRenderMimeRegistry;
  readonly notebooks: INotebookTracker | null;
}

export function jobFactory(context: RendererContext): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [JOB_MIMETYPE],
    defaultRank: -20,
    createRenderer: (options) => new JobRenderer(context, options),
  };
}

export function receiptFactory(): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [RECEIPT_MIMETYPE],
    defaultRank: -20,
    createRenderer: () => new ReceiptRenderer(),
  };
}

/** Views of the same bundle for a page whose server knows no jobs, best first. */
const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';
const OTHER_VIEWS = [WIDGET_VIEW, 'text/html', 'text/plain'];
/** Milliseconds of an idle kernel; twice, with a fresh view for the second. */
const WIDGET_LIMIT = 1_000;

export class JobRenderer extends Widget implements IRenderMime.IRenderer {
  readonly #context: RendererContext;
  readonly #options: IRenderMime.IRendererOptions;
  #taskId: string | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  #job: Job | null = null;
  #endWatch: (() => void) | null = null;
  #keeping: ReturnType<typeof setTimeout> | undefined;

  constructor(context: RendererContext, options: IRenderMime.IRendererOptions) {
    super();
    this.#context = context;
    this.#options = options;
    this.layout = new PanelLayout();
    this.addClass('pw-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const metadata = jobMetadata(model.metadata);
    const again = metadata !== null && metadata.taskId === this.#taskId;
    this.#model = model;
    if (again) {
      // Our own `setData` comes back here, and so does the kernel's update of the same output.
      const { snapshot, parts } = metadata;
      const live = snapshot && !isTerminal(snapshot.status);
      // In place of a widget only the end is believed: nothing here hears the rest.
      if (!this.#endWatch || !live) this.#job?.setSnapshot(snapshot, parts);
      return;
    }
    this.#clear();
    this.#taskId = metadata?.taskId ?? null;
    const readable = metadata?.snapshot && isTerminal(metadata.snapshot.status);
    if (metadata === null || (!metadata.server && !readable)) {
      await this.#renderOtherView(model);
      return;
    }
    const { server, messages } = this.#context;
    const job = new Job({
      taskId: metadata.taskId,
      name: metadata.snapshot?.name ?? nameOf(model),
      messages,
      snapshot: metadata.snapshot,
      parts: metadata.parts,
      server: metadata.server ? server : null,
      comm: null,
      onEnd: (record, parts) => this.#keep(record, parts),
    });
    this.#job = job;
    job.attach(this.node);
    if (metadata.server) job.follow(channelOf(server));
    else job.render();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#clear();
    super.dispose();
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
  }

  /** Write the end into the output's metadata, so that the saved notebook shows it. */
  #keep(record: JobRecord, parts: readonly JobRecord[]): void {
    const shared = isShared(this.#panel?.model);
    clearTimeout(this.#keeping);
    if (shared) this.#keeping = setTimeout(() => this.#keepShared(record, parts), GRACE);
    else this.#write(record, parts);
  }

  /** Where several pages show the output one writes, and only what the kernel has not. */
  #keepShared(record: JobRecord, parts: readonly JobRecord[]): void {
    const kept = this.#model && jobMetadata(this.#model.metadata);
    const same = kept?.snapshot?.status === record.status && kept.parts.length === parts.length;
    if (this.isDisposed || same) return;
    if (isMyTurn(this.#panel?.model)) this.#write(record, parts);
    else this.#keep(record, parts);
  }

  #write(record: JobRecord, parts: readonly JobRecord[]): void {
    const model = this.#model;
    const own = model && jobMetadata(model.metadata);
    const kept = own?.snapshot;
    const same = kept?.revision === record.revision && kept.status === record.status;
    if (!model || (same && own?.parts.length === parts.length)) return;
    model.setData({ metadata: withSnapshot(model.metadata, record, parts) });
  }

  async #renderOtherView(model: IRenderMime.IMimeModel): Promise<void> {
    const rendermime = this.#ownRendermime();
    const known = new Set(rendermime.mimeTypes);
    const type = OTHER_VIEWS.find((view) => view in model.data && known.has(view));
    if (type === undefined) return;
    const view = rendermime.createRenderer(type);
    (this.layout as PanelLayout).addWidget(view);
    if (type === WIDGET_VIEW) this.#watchWidget(view, model);
    await view.renderModel(model);
  }

  /**
   * Do not wait for ever for a widget: after a reload its model may be gone with the kernel, or its
   * manager may know only the views that it finds at the top of an output.
   *
   * At first the view is made once more, from a registry that has the manager by now; what is still
   * without a view then is drawn from the notebook. A view that comes after all takes its place back.
   */
  #watchWidget(first: IRenderMime.IRenderer, model: IRenderMime.IMimeModel): void {
    const watching = new AbortController();
    this.#endWatch = () => watching.abort();
    const kernel = this.#panel?.sessionContext;
    let view = first;
    let tries = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const drawn = new MutationObserver(() => {
      // "Loading widget…" and "model not found" are text alone.
      if (view.node.childElementCount > 0) this.#dropFallback(view);
    });
    drawn.observe(view.node, { childList: true });

    const look = () => {
      timer = undefined;
      if (this.#job || view.node.childElementCount > 0) return;
      const status = kernel?.session?.kernel?.status;
      // A busy kernel may still answer; its next status comes back here.
      if (status !== undefined && status !== 'idle' && status !== 'dead') return;
      tries += 1;
      if (tries > 1) {
        this.#drawFallback(view, model);
        return;
      }
      view.dispose();
      view = this.#ownRendermime().createRenderer(WIDGET_VIEW);
      (this.layout as PanelLayout).addWidget(view);
      drawn.observe(view.node, { childList: true });
      void view.renderModel(model);
      wait();
    };
    const wait = () => {
      timer ??= setTimeout(look, WIDGET_LIMIT);
    };
    kernel?.statusChanged.connect(wait);
    watching.signal.addEventListener('abort', () => {
      clearTimeout(timer);
      drawn.disconnect();
      kernel?.statusChanged.disconnect(wait);
    });
    wait();
  }

  #drawFallback(view: IRenderMime.IRenderer, model: IRenderMime.IMimeModel): void {
    const metadata = jobMetadata(model.metadata);
    if (!metadata?.snapshot) return;
    const { taskId, snapshot, parts } = metadata;
    view.hide();
    this.#job = new Job({
      taskId,
      name: snapshot.name,
      messages: this.#context.messages,
      snapshot: isTerminal(snapshot.status) ? snapshot : orphan(snapshot),
      parts,
      server: null,
      comm: null,
    });
    this.#job.attach(this.node);
    this.#job.render();
  }

  #dropFallback(view: IRenderMime.IRenderer): void {
    if (!this.#job) return;
    this.#job.dispose();
    this.#job = null;
    view.show();
  }

  get #panel(): NotebookPanel | undefined {
    const { resolver } = this.#options;
    if (!resolver) return undefined;
    return this.#context.notebooks?.find(({ content }) => content.rendermime.resolver === resolver);
  }

  /** The notebook's own registry: the widget manager registers itself there and nowhere else. */
  #ownRendermime(): IRenderMimeRegistry {
    return this.#panel?.content.rendermime ?? this.#context.rendermime;
  }

  #clear(): void {
    clearTimeout(this.#keeping);
    this.#endWatch?.();
    this.#endWatch = null;
    this.#job?.dispose();
    this.#job = null;
    for (const child of [...(this.layout as PanelLayout).widgets]) child.dispose();
  }
}

/** The receipt is for front ends without the bar: here it takes no room. */
export class ReceiptRenderer extends Widget implements IRenderMime.IRenderer {
  async renderModel(): Promise<void> {
    this.#hideOutput();
  }

  protected override onAfterAttach(): void {
    this.#hideOutput();
  }

  #hideOutput(): void {
    if (!this.isAttached) return;
    adoptStyle(this.node);
    this.node.closest('.jp-OutputArea-child')?.classList.add('pw-receipt-output');
  }
}

function nameOf(model: IRenderMime.IMimeModel): string {
  const data = model.data[JOB_MIMETYPE] as { name?: unknown } | undefined;
  return typeof data?.name === 'string' ? data.name : '';
}
