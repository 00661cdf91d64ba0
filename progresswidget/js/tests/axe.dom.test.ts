/** Every state of the gallery, of loops and of transfers before axe-core, by the rules of WCAG 2.2, level AA. */

import axe from 'axe-core';
import { afterEach, describe, expect, it } from 'vitest';
import { mountAll } from '../gallery/mount';
import { type GalleryState, MAIN, STATES } from '../gallery/states';
import { THEMES, wear } from '../gallery/themes';
import { ENGLISH } from '../src/i18n';
import { LAB_ENGLISH, withUploads } from '../src/i18n/lab';
import { progressTraits } from '../src/traits';
import { NEW_TRANSFER, type TransferState } from '../src/transfer';
import type { JobView } from '../src/view/job_view';
import { ProgressView } from '../src/view/progress_view';
import { TransferView } from '../src/view/transfer_view';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** Of a whole page: a card has no title, no landmark and no heading. */
const OF_PAGES = ['region', 'page-has-heading-one', 'landmark-one-main'];

const LOOP: Record<string, unknown> = { value: 30, min: 0, max: 120, state: 'running' };
const LOOPS: readonly Record<string, unknown>[] = [
  { description: 'Rows', rate: 2, eta: 45 },
  { description: 'Unknown', max: null, rate: 12_345 },
  { description: 'Standing', orientation: 'vertical' },
  ...['queued', 'paused', 'done', 'failed', 'cancelled', 'interrupted'].map((state) => ({ state })),
  ...['success', 'info', 'warning', 'danger'].map((bar_style) => ({ bar_style })),
];
const TRANSFERS: readonly Partial<TransferState>[] = [
  {},
  { size: null },
  { status: 'paused' },
  { status: 'waiting', attempt: 2, tries: 5 },
  { status: 'failed', failure: 'missing' },
  { status: 'done', offset: 1000, verified: true },
];

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

  it('nor in that of loops, nor in the list of transfers', { timeout: 60_000 }, async () => {
    wear(theme);
    const main = show([]);
    for (const given of LOOPS) {
      const view = new ProgressView(ENGLISH);
      view.update(
        progressTraits((name) => ({ ...LOOP, ...given })[name]),
        true,
      );
      main.append(view.element);
    }
    const list = document.createElement('div');
    list.className = 'pw-transfers';
    main.append(list);
    const nothing = () => {};
    const transfers = TRANSFERS.map((given, index) => {
      const view = new TransferView({
        name: `flights ${index}.csv`,
        direction: index % 2 ? 'upload' : 'save',
        messages: withUploads(ENGLISH, LAB_ENGLISH),
        handlers: {
          pause: nothing,
          resume: nothing,
          cancel: nothing,
          dismiss: nothing,
          again: nothing,
        },
      });
      list.append(view.element);
      view.update({ ...NEW_TRANSFER, status: 'running', offset: 250, size: 1000, ...given });
      return view;
    });
    for (const each of document.getAnimations()) settle(each);
    expect(main.querySelectorAll('[role=progressbar]')).toHaveLength(
      LOOPS.length + TRANSFERS.length,
    );
    expect(await complaints(main)).toEqual([]);
    for (const view of transfers) view.dispose();
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
