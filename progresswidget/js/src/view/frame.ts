/** One render per frame for all of a page, however many messages came between two. */

const due = new Set<() => void>();
let asked: number | null = null;

/**
 * Run `render` in the next frame, once, however often it is asked for until then.
 *
 * A page that nobody sees has no frames: what is due then is drawn when it is looked at again.
 */
export function inNextFrame(render: () => void): void {
  due.add(render);
  asked ??= requestAnimationFrame(renderAll);
}

/** Forget a render that is due: its view is gone. */
export function forgetFrame(render: () => void): void {
  due.delete(render);
  if (due.size > 0 || asked === null) return;
  cancelAnimationFrame(asked);
  asked = null;
}

function renderAll(): void {
  asked = null;
  const renders = [...due];
  due.clear();
  for (const render of renders) {
    try {
      render();
    } catch (error) {
      // One broken view must not keep the others from being drawn.
      reportError(error);
    }
  }
}
