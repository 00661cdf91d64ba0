/** The renderers of our two MIME types. */

import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';
import type { Messages } from '../i18n';
import { Job } from '../job';
import { isTerminal, JOB_MIMETYPE, type JobRecord, RECEIPT_MIMETYPE } from '../protocol';
import { channelOf, type Server } from '../server';
import { adoptStyle } from '../stylesheet';
import { jobMetadata, withSnapshot } from './output';

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
const OTHER_VIEWS = ['application/vnd.jupyter.widget-view+json', 'text/html', 'text/plain'];

export class JobRenderer extends Widget implements IRenderMime.IRenderer {
  readonly #context: RendererContext;
  readonly #options: IRenderMime.IRendererOptions;
  #taskId: string | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  #job: Job | null = null;

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
      this.#job?.setSnapshot(metadata.snapshot);
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
      server: metadata.server ? server : null,
      comm: null,
      onEnd: (record) => this.#keep(record),
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
  #keep(record: JobRecord): void {
    const model = this.#model;
    const kept = model && jobMetadata(model.metadata)?.snapshot;
    if (!model || (kept?.revision === record.revision && kept.status === record.status)) return;
    model.setData({ metadata: withSnapshot(model.metadata, record) });
  }

  async #renderOtherView(model: IRenderMime.IMimeModel): Promise<void> {
    const rendermime = this.#ownRendermime();
    const known = new Set(rendermime.mimeTypes);
    const type = OTHER_VIEWS.find((view) => view in model.data && known.has(view));
    if (type === undefined) return;
    const view = rendermime.createRenderer(type);
    (this.layout as PanelLayout).addWidget(view);
    await view.renderModel(model);
  }

  /** The notebook's own registry: the widget manager registers itself there and nowhere else. */
  #ownRendermime(): IRenderMimeRegistry {
    const { resolver } = this.#options;
    const panel =
      resolver &&
      this.#context.notebooks?.find(({ content }) => content.rendermime.resolver === resolver);
    return panel ? panel.content.rendermime : this.#context.rendermime;
  }

  #clear(): void {
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
