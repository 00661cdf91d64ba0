/** Draws the widget of an output, and something else where it does not come. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { PanelLayout } from '@lumino/widgets';

export const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';
/** Milliseconds of an idle kernel; twice, with a fresh view for the second. */
const WIDGET_LIMIT = 1_000;

export interface WidgetPlace {
  readonly layout: PanelLayout;
  /** Asked anew for each view: the widget manager may register itself late. */
  rendermime(): IRenderMimeRegistry;
  readonly kernel: ISessionContext | undefined;
  /** A busy kernel may still answer; false where the rest need not wait for it. */
  readonly patient: boolean;
  /** Draw the rest in place of `view`; whether there is anything to draw. */
  draw(view: IRenderMime.IRenderer): void;
  /** The view has come after all. */
  drop(view: IRenderMime.IRenderer): void;
}

/**
 * Draw the widget of `model`, but do not wait for it for ever: after a reload its model may be gone
 * with the kernel, or its manager may know only the views that it finds at the top of an output.
 *
 * At first the view is made once more, from a registry that has the manager by now; what is still
 * without a view then is drawn from the notebook. A view that comes after all takes its place back.
 *
 * @returns What ends the watch.
 */
export function drawWidget(model: IRenderMime.IMimeModel, place: WidgetPlace): () => void {
  const { layout, kernel } = place;
  let tries = 0;
  let drawn = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const came = new MutationObserver(() => {
    // "Loading widget…" and "model not found" are text alone.
    if (drawn && view.node.childElementCount > 0) {
      drawn = false;
      place.drop(view);
    }
  });
  const make = () => {
    const made = place.rendermime().createRenderer(WIDGET_VIEW);
    layout.addWidget(made);
    came.observe(made.node, { childList: true });
    void made.renderModel(model);
    return made;
  };
  let view = make();

  const look = () => {
    timer = undefined;
    if (drawn || view.node.childElementCount > 0) return;
    const status = kernel?.session?.kernel?.status;
    // A busy kernel may still answer; its next status comes back here.
    const settled = status === undefined || status === 'idle' || status === 'dead';
    if (place.patient && !settled) return;
    tries += 1;
    if (tries > 1) {
      drawn = true;
      place.draw(view);
      return;
    }
    view.dispose();
    view = make();
    wait();
  };
  const wait = () => {
    timer ??= setTimeout(look, WIDGET_LIMIT);
  };
  kernel?.statusChanged.connect(wait);
  wait();
  return () => {
    clearTimeout(timer);
    came.disconnect();
    kernel?.statusChanged.disconnect(wait);
  };
}
