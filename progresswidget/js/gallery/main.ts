/**
 * `npm run gallery`: every state side by side, to look at in light, dark and narrow.
 *
 * With `?states=main` those of which a picture is kept, with `?states=groups` those of groups.
 */

import { messagesFor } from '../src/i18n';
import { Parts } from '../src/parts';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import { MAIN, STATES } from './states';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
const wanted = new URLSearchParams(location.search).get('states');
const shown = STATES.filter(
  ({ title, parts }) => wanted === null || (wanted === 'groups' ? parts : MAIN.has(title)),
);
for (const { title, record, connection, language, parts } of shown) {
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
  if (parts) {
    const lines = new Parts({
      messages: messagesFor(language, 'en'),
      name: record?.name ?? '',
      download: () => {},
      onEnd: () => {},
    });
    lines.keep(parts);
    view.showParts(lines.view.element);
  }
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  caption.textContent = title;
  figure.append(caption, view.element);
  main.append(figure);
}
adoptStyle(main);
