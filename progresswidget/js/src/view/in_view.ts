/** Which bars a person can see: one observer for all of a page. */

/** Pixels beyond the edges that count as seen: a bar is drawn before it is scrolled to. */
const MARGIN = '200px';

const entered = new Map<Element, () => void>();
const unseen = new WeakSet<Element>();
let observer: IntersectionObserver | undefined;

/**
 * Watch an element; `enter` is called each time that it comes into view.
 *
 * Until the browser has looked for the first time it counts as seen.
 */
export function watchView(element: Element, enter: () => void): void {
  observer ??= new IntersectionObserver(onChange, { rootMargin: MARGIN });
  entered.set(element, enter);
  observer.observe(element);
}

export function unwatchView(element: Element): void {
  entered.delete(element);
  unseen.delete(element);
  observer?.unobserve(element);
}

/** Whether a person can see an element; one that is not watched counts as seen. */
export function isInView(element: Element): boolean {
  return !unseen.has(element);
}

function onChange(entries: readonly IntersectionObserverEntry[]): void {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) {
      if (entered.has(target)) unseen.add(target);
    } else if (unseen.delete(target)) {
      entered.get(target)?.();
    }
  }
}
