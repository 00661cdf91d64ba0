/** Every state of the gallery before axe-core, by the rules of WCAG 2.2, level AA. */

import axe from 'axe-core';
import { afterEach, describe, expect, it } from 'vitest';
import { mountAll } from '../gallery/mount';
import { type GalleryState, MAIN, STATES } from '../gallery/states';
import { THEMES, wear } from '../gallery/themes';
import type { JobView } from '../src/view/job_view';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** Of a whole page: a card has no title, no landmark and no heading. */
const OF_PAGES = ['region', 'page-has-heading-one', 'landmark-one-main'];

let views: readonly JobView[] = [];

afterEach(() => {
  for (const view of views) view.dispose();
  document.body.replaceChildren();
  document.documentElement.removeAttribute('style');
});

function show(states: readonly GalleryState[]): HTMLElement {
  const main = document.createElement('main');
  main.style.cssText = 'background: var(--jp-layout-color1); color: var(--jp-ui-font-color1)';
  document.body.append(main);
  document.documentElement.lang = 'en';
  views = mountAll(main, states);
  return main;
}

async function complaints(main: HTMLElement): Promise<string[]> {
  const rules = Object.fromEntries(OF_PAGES.map((rule) => [rule, { enabled: false }]));
  const found = await axe.run(main, { runOnly: RULES, rules });
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

describe.each(THEMES)('in $name', (theme) => {
  it('nothing stands in the way of anybody', { timeout: 60_000 }, async () => {
    wear(theme);
    // Of the language and of the words of a connection no colour depends.
    const main = show(theme.light ? STATES : STATES.filter(({ title }) => MAIN.has(title)));
    // Colours change slowly, and half-way they are nobody's.
    for (const each of document.getAnimations()) settle(each);
    expect(await complaints(main)).toEqual([]);
  });
});

it('finds what it should', { timeout: 60_000 }, async () => {
  wear(THEMES[0] as (typeof THEMES)[number]);
  const main = show(STATES.slice(0, 4));
  main.querySelector<HTMLElement>('.pw-words')?.style.setProperty('color', '#ccc');
  main.querySelector('[role=progressbar]')?.removeAttribute('aria-label');
  main.querySelector('button:not([hidden])')?.setAttribute('aria-expanded', 'perhaps');
  const text = (await complaints(main)).join('\n');
  for (const rule of ['color-contrast', 'aria-progressbar-name', 'aria-valid-attr-value']) {
    expect(text).toContain(rule);
  }
});

function settle(animation: Animation): void {
  if (animation instanceof CSSTransition) animation.finish();
  else animation.cancel();
}
