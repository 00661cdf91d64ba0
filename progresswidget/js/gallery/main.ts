/** `npm run gallery`: every state side by side, to look at in light, dark and narrow. */

import { messagesFor } from '../src/i18n';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import { STATES } from './states';

const main = document.querySelector('main');
if (!main) throw new Error('the page has no main element');
for (const { title, record, connection, language } of STATES) {
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
