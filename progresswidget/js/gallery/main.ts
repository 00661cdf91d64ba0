/**
 * `npm run gallery`: every state side by side, to look at in light, dark and narrow.
 *
 * With `?states=main` those of which a picture is kept, with `?states=groups` those of groups, and
 * with `?states=english-groups` those of them that look the same with every font; with
 * `?states=transfers` those of transfers, in the language of `&language=`.
 */

import { mountAll } from './mount';
import { MAIN, STATES } from './states';
import { mountTransfers } from './transfers';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
const asked = new URLSearchParams(location.search);
const wanted = asked.get('states');
const shown = STATES.filter(
  ({ title, parts, language }) =>
    wanted === null ||
    (wanted === 'main' ? MAIN.has(title) : parts && (wanted === 'groups' || !language)),
);
if (wanted === 'transfers') mountTransfers(main, asked.get('language') ?? 'en');
else mountAll(main, shown);
