/** What moves in a part of the page, for tests of what a person who wants no motion sees. */

import { cdp } from 'vitest/browser';

/** Let the browser be one whose person wants some things otherwise; none ends it. */
export async function prefer(...features: readonly (readonly [string, string])[]): Promise<void> {
  const wanted = features.map(([name, value]) => ({ name, value }));
  await cdp().send('Emulation.setEmulatedMedia', { features: wanted });
}

/** Every element below one, and what stands before it, that is or would be in motion. */
export function movingIn(root: ParentNode): string[] {
  return [...root.querySelectorAll('*')].flatMap((element) =>
    ['', '::before', '::after'].flatMap((pseudo) => {
      const { animationName, transitionDuration } = getComputedStyle(element, pseudo);
      const still = animationName === 'none' && /^(0s(, )?)+$/.test(transitionDuration);
      const name = element.getAttribute('class') ?? element.tagName;
      return still ? [] : [`${name}${pseudo} ${animationName} ${transitionDuration}`];
    }),
  );
}
