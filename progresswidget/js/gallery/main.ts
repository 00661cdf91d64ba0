/**
 * `npm run gallery`: every state side by side, to look at in light, dark and narrow.
 *
 * With `?states=main` those of which a picture is kept, with `?states=groups` those of groups.
 */

import { mountAll } from './mount';
import { MAIN, STATES } from './states';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
const wanted = new URLSearchParams(location.search).get('states');
const shown = STATES.filter(
  ({ title, parts }) => wanted === null || (wanted === 'groups' ? parts : MAIN.has(title)),
);
mountAll(main, shown);
