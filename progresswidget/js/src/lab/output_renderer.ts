/** What the renderers of our outputs have in common: their place in a notebook, and our style. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';
import type { Messages } from '../i18n';
import type { Server } from '../server';
import { adoptStyle } from '../view/stylesheet';
import { drawWidget, WIDGET_VIEW, type WidgetPlace } from './widget_view';

export interface RendererContext {
  readonly server: Server;
  readonly messages: Messages;
  readonly rendermime: IRenderMimeRegistry;
  readonly notebooks: INotebookTracker | null;
  /** Shows a file in a file browser. */
  readonly reveal?: (path: string) => Promise<void>;
}

/** One of our types of output, before JupyterLab's own. */
export function factoryOf(
  mimeType: string,
  createRenderer: IRenderMime.IRendererFactory['createRenderer'],
): IRenderMime.IRendererFactory {
  return { safe: true, mimeTypes: [mimeType], defaultRank: -20, createRenderer };
}

export abstract class OutputRenderer extends Widget implements IRenderMime.IRenderer {
  protected readonly context: RendererContext;
  readonly #options: IRenderMime.IRendererOptions;
  protected readonly views = new PanelLayout();

  constructor(context: RendererContext, options: IRenderMime.IRendererOptions) {
    super();
    this.context = context;
    this.#options = options;
    this.layout = this.views;
    this.addClass('pw-output');
  }

  abstract renderModel(model: IRenderMime.IMimeModel): Promise<void>;

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
  }

  /** The notebook that the output is in. */
  protected get panel(): NotebookPanel | undefined {
    const { resolver } = this.#options;
    if (!resolver) return undefined;
    const { notebooks } = this.context;
    return notebooks?.find(({ content }) => content.rendermime.resolver === resolver);
  }

  /** The notebook's own registry: the widget manager registers itself there and nowhere else. */
  protected get rendermime(): IRenderMimeRegistry {
    return this.panel?.content.rendermime ?? this.context.rendermime;
  }

  /** Whether the output is, among others, a widget that this page can draw. */
  protected isWidget({ data }: IRenderMime.IMimeModel): boolean {
    return WIDGET_VIEW in data && this.rendermime.mimeTypes.includes(WIDGET_VIEW);
  }

  /** Draw the widget of an output, and something else where it does not come. */
  protected drawWidget(
    model: IRenderMime.IMimeModel,
    rest: Pick<WidgetPlace, 'patient' | 'draw' | 'drop'>,
  ): () => void {
    return drawWidget(model, {
      layout: this.views,
      rendermime: () => this.rendermime,
      kernel: this.panel?.sessionContext,
      ...rest,
    });
  }
}
