/** The renderer of a loop's bar: the widget, or what the notebook keeps of it once that is gone. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PROGRESS_MIMETYPE } from '../protocol';
import { progressTraits } from '../traits';
import { ProgressView } from '../view/progress_view';
import { factoryOf, OutputRenderer, type RendererContext } from './output_renderer';

export function progressFactory(context: RendererContext): IRenderMime.IRendererFactory {
  return factoryOf(PROGRESS_MIMETYPE, (options) => new ProgressRenderer(context, options));
}

export class ProgressRenderer extends OutputRenderer {
  #model: IRenderMime.IMimeModel | null = null;
  #kept: ProgressView | null = null;
  #endWatch: (() => void) | null = null;

  override async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.#model = model;
    // The kernel writes the state into the same output again and again, for who comes later.
    if (this.#endWatch) {
      this.#draw();
      return;
    }
    if (!this.isWidget(model)) {
      this.#endWatch = () => {};
      this.#show();
      return;
    }
    this.#endWatch = this.drawWidget(model, {
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

  #show(): void {
    this.#kept ??= new ProgressView(this.context.messages);
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
