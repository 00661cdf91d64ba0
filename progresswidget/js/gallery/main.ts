/**
 * `npm run gallery`: every state side by side, to look at in light, dark and narrow.
 *
 * With `?states=main` those of which a picture is kept, with `?states=groups` those of groups, and
 * with `?states=english-groups` those of them that look the same with every font.
 */

import { mountAll } from './mount';
import { MAIN, STATES } from './states';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
const wanted = new URLSearchParams(location.search).get('states');
const shown = STATES.filter(
  ({ title, parts, language }) =>
    wanted === null ||
    (wanted === 'main' ? MAIN.has(title) : parts && (wanted === 'groups' || !language)),
);
mountAll(main, shown);
