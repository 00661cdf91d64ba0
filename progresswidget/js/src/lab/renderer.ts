/** The renderers of a job's output and of its receipt. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { ActionFailure } from '../actions';
import { Job } from '../job';
import { orphan } from '../known';
import { isTerminal, JOB_MIMETYPE, type JobRecord, RECEIPT_MIMETYPE } from '../protocol';
import { channelOf } from '../server';
import { adoptStyle } from '../view/stylesheet';
import { jobMetadata, withSnapshot } from './output';
import { factoryOf, OutputRenderer, type RendererContext } from './output_renderer';
import { rerunCell } from './show';
import { END_GRACE, isShared, turnOf } from './turns';
import { WIDGET_VIEW } from './widget_view';

export function jobFactory(context: RendererContext): IRenderMime.IRendererFactory {
  return factoryOf(JOB_MIMETYPE, (options) => new JobRenderer(context, options));
}

export function receiptFactory(): IRenderMime.IRendererFactory {
  return factoryOf(RECEIPT_MIMETYPE, () => new ReceiptRenderer());
}

/** Views of the same bundle for a page whose server knows no jobs, best first. */
const OTHER_VIEWS = [WIDGET_VIEW, 'text/html', 'text/plain'];

/** Graces for which a page leaves the end to the one before it, whose cell may not be drawn. */
const PATIENCE = 2;

export class JobRenderer extends OutputRenderer {
  #taskId: string | null = null;
  #model: IRenderMime.IMimeModel | null = null;
  #job: Job | null = null;
  #endWatch: (() => void) | null = null;
  #keeping: ReturnType<typeof setTimeout> | undefined;

  override async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
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
    const asWidget = metadata?.widget === true && WIDGET_VIEW in model.data;
    if (metadata === null || asWidget || (!metadata.server && !readable)) {
      await this.#renderOtherView(model);
      return;
    }
    const { server, messages } = this.context;
    const job = new Job({
      taskId: metadata.taskId,
      name: metadata.snapshot?.name ?? nameOf(model),
      messages,
      snapshot: metadata.snapshot,
      parts: metadata.parts,
      server: metadata.server ? server : null,
      comm: null,
      onEnd: (record, parts) => this.#keep(record, parts),
      rerun: this.panel ? () => this.#rerun() : null,
      reveal: this.context.reveal ?? null,
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

  async #rerun(): Promise<void> {
    const panel = this.panel;
    if (!panel) throw new ActionFailure('noCell');
    await rerunCell(panel, this.node);
  }

  /** Write the end into the output's metadata, so that the saved notebook shows it. */
  #keep(record: JobRecord, parts: readonly JobRecord[], waited = 0): void {
    const shared = isShared(this.panel?.model);
    clearTimeout(this.#keeping);
    if (shared)
      this.#keeping = setTimeout(() => this.#keepShared(record, parts, waited), END_GRACE);
    // Of an export that is over when it is shown: JupyterLab is still putting the output into its place.
    else queueMicrotask(() => this.#write(record, parts));
  }

  /** Where several pages show the output one writes, and only what the kernel has not. */
  #keepShared(record: JobRecord, parts: readonly JobRecord[], waited: number): void {
    const kept = this.#model && jobMetadata(this.#model.metadata);
    const same = isSameEnd(kept?.snapshot, record) && kept?.parts.length === parts.length;
    if (this.isDisposed || same) return;
    // One after the other: two that write at once leave two outputs.
    if (waited >= PATIENCE * turnOf(this.panel?.model)) this.#write(record, parts);
    else this.#keep(record, parts, waited + 1);
  }

  #write(record: JobRecord, parts: readonly JobRecord[]): void {
    const model = this.#model;
    const own = model && jobMetadata(model.metadata);
    const kept = own?.snapshot;
    const same = isSameEnd(kept, record) && kept?.revision === record.revision;
    if (this.isDisposed || !model || (same && own?.parts.length === parts.length)) return;
    model.setData({ metadata: withSnapshot(model.metadata, record, parts) });
  }

  async #renderOtherView(model: IRenderMime.IMimeModel): Promise<void> {
    const rendermime = this.rendermime;
    const known = new Set(rendermime.mimeTypes);
    const type = OTHER_VIEWS.find((view) => view in model.data && known.has(view));
    if (type === undefined) return;
    if (type === WIDGET_VIEW) {
      this.#endWatch = this.drawWidget(model, {
        patient: !this.#followable(model),
        draw: (view) => this.#drawFallback(view, model),
        drop: (view) => this.#dropFallback(view),
      });
      return;
    }
    const view = rendermime.createRenderer(type);
    this.views.addWidget(view);
    await view.renderModel(model);
  }

  /** Whether the server knows what a widget would show. */
  #followable(model: IRenderMime.IMimeModel): boolean {
    return jobMetadata(model.metadata)?.server === true;
  }

  #drawFallback(view: IRenderMime.IRenderer, model: IRenderMime.IMimeModel): void {
    const metadata = jobMetadata(model.metadata);
    if (!metadata?.snapshot) return;
    const { taskId, snapshot, parts, server } = metadata;
    view.hide();
    this.#job = new Job({
      taskId,
      name: snapshot.name,
      messages: this.context.messages,
      snapshot: server || isTerminal(snapshot.status) ? snapshot : orphan(snapshot),
      parts,
      server: server ? this.context.server : null,
      comm: null,
      onEnd: (record, parts) => this.#keep(record, parts),
    });
    this.#job.attach(this.node);
    if (server) this.#job.follow(channelOf(this.context.server));
    else this.#job.render();
  }

  #dropFallback(view: IRenderMime.IRenderer): void {
    if (!this.#job) return;
    this.#job.dispose();
    this.#job = null;
    view.show();
  }

  #clear(): void {
    clearTimeout(this.#keeping);
    this.#endWatch?.();
    this.#endWatch = null;
    this.#job?.dispose();
    this.#job = null;
    for (const child of [...this.views.widgets]) child.dispose();
  }
}

/** Of one run: each run counts its own revisions. */
function isSameEnd(kept: JobRecord | null | undefined, { generation, status }: JobRecord): boolean {
  return kept?.generation === generation && kept.status === status;
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
