/** What moves and in which colours, where a person wants no motion, or colours of their own. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { ENGLISH } from '../src/i18n';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import { record, TASK } from './records';
import { movingIn, prefer } from './still';

beforeAll(() => prefer(['prefers-reduced-motion', 'reduce'], ['forced-colors', 'active']));
afterAll(() => prefer());

/** Everything that moves somewhere, as it is in the page. */
const MOVING = `
  <div class="pw-progress" data-orientation="vertical">
    <div class="pw-track" data-indeterminate="true"><div class="pw-fill"></div></div>
  </div>
  <div class="pw-transfers"><div class="pw-track" data-indeterminate="true"></div></div>
  <div class="pw-job">
    <div class="pw-part-line"><span class="pw-part-track" data-indeterminate="true">
      <span class="pw-fill"></span></span></div>
    <button class="pw-parts-toggle"><svg></svg></button>
    <div class="pw-received"><div class="pw-received-fill"></div></div>
  </div>`;

it('nothing moves, and what fills a bar has the colour that the person chose', () => {
  expect(matchMedia('(prefers-reduced-motion: reduce)').matches).toBe(true);
  expect(matchMedia('(forced-colors: active)').matches).toBe(true);
  document.body.innerHTML = MOVING;
  const handlers = { act: async () => null, download: null, reconnect: () => {} };
  const states = [
    record(),
    record({ phase: 'starting', progress: 0 }),
    record({ phase: 'finishing', progress: 99 }),
    record({ progress: null, total: null }),
    null,
  ];
  for (const state of states) {
    const view = new JobView({ taskId: TASK, name: '', messages: ENGLISH, handlers });
    document.body.append(view.element);
    // The first state has no run-up anyway.
    for (let n = 0; n < 2; n += 1) view.update(state, { kind: 'live' });
  }
  adoptStyle(document.body);
  expect(movingIn(document.body)).toEqual([]);

  const chosen = document.createElement('i');
  chosen.style.background = 'Highlight';
  document.body.append(chosen);
  const { backgroundColor } = getComputedStyle(chosen);
  const fills = [...document.body.querySelectorAll('.pw-fill')];
  expect(new Set(fills.map((fill) => getComputedStyle(fill).backgroundColor))).toEqual(
    new Set([backgroundColor]),
  );
  const unknown = [...document.body.querySelectorAll(':not(.pw-job) > [data-indeterminate=true]')];
  expect(unknown.map((track) => getComputedStyle(track, '::before').backgroundColor)).toEqual(
    Array(3).fill(backgroundColor),
  );
  document.body.replaceChildren();
});
