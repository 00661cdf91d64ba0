/**
 * `npm run gallery`: every state side by side, to look at in light, dark and narrow.
 *
 * With `?states=main` those of which a picture is kept.
 */

import { messagesFor } from '../src/i18n';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import { MAIN, STATES } from './states';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
const wanted = new URLSearchParams(location.search).get('states');
const shown = wanted === 'main' ? STATES.filter(({ title }) => MAIN.has(title)) : STATES;
for (const { title, record, connection, language } of shown) {
  const view = new JobView({
    taskId: record?.taskId ?? '',
    name: record?.name ?? 'flights.csv',
    messages: messagesFor(language, 'en'),
    handlers: {
      act: async () => null,
      download: async () => {},
      reconnect: () => {},
    },
  });
  view.update(record, connection);
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  caption.textContent = title;
  figure.append(caption, view.element);
  main.append(figure);
}
adoptStyle(main);
