/** The renderer of a loop's bar: the widget, or what the notebook keeps of it once that is gone. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';
import { PROGRESS_MIMETYPE } from '../protocol';
import { progressTraits } from '../traits';
import { ProgressView } from '../view/progress_view';
import { adoptStyle } from '../view/stylesheet';
import { panelOf, type RendererContext } from './renderer';
import { drawWidget, WIDGET_VIEW } from './widget_view';

export function progressFactory(context: RendererContext): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [PROGRESS_MIMETYPE],
    defaultRank: -20,
    createRenderer: (options) => new ProgressRenderer(context, options),
  };
}

export class ProgressRenderer extends Widget implements IRenderMime.IRenderer {
  readonly #context: RendererContext;
  readonly #options: IRenderMime.IRendererOptions;
  #model: IRenderMime.IMimeModel | null = null;
  #kept: ProgressView | null = null;
  #endWatch: (() => void) | null = null;

  constructor(context: RendererContext, options: IRenderMime.IRendererOptions) {
    super();
    this.#context = context;
    this.#options = options;
    this.layout = new PanelLayout();
    this.addClass('pw-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.#model = model;
    // The kernel writes the state into the same output again and again, for who comes later.
    if (this.#endWatch) {
      this.#draw();
      return;
    }
    const panel = panelOf(this.#context, this.#options);
    const rendermime = () => panel?.content.rendermime ?? this.#context.rendermime;
    if (!(WIDGET_VIEW in model.data) || !rendermime().mimeTypes.includes(WIDGET_VIEW)) {
      this.#endWatch = () => {};
      this.#show();
      return;
    }
    this.#endWatch = drawWidget(model, {
      layout: this.layout as PanelLayout,
      rendermime,
      kernel: panel?.sessionContext,
      // What is kept is old, and it is said so: it need not wait for a kernel that is busy.
      patient: false,
      draw: (view) => {
        view.hide();
        this.#show();
      },
      drop: (view) => {
        this.#kept?.element.remove();
        this.#kept = null;
        view.show();
      },
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#endWatch?.();
    this.#kept?.element.remove();
    super.dispose();
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
  }

  #show(): void {
    this.#kept ??= new ProgressView(this.#context.messages);
    this.node.append(this.#kept.element);
    this.#draw();
  }

  #draw(): void {
    const kept = this.#model?.metadata[PROGRESS_MIMETYPE] as Record<string, unknown> | undefined;
    this.#kept?.update(
      progressTraits((name) => kept?.[name]),
      false,
    );
  }
}
