/** Puts states of the gallery into a page. */

import { messagesFor } from '../src/i18n';
import { Parts } from '../src/parts';
import { Steps } from '../src/steps';
import { JobView } from '../src/view/job_view';
import { adoptStyle } from '../src/view/stylesheet';
import type { GalleryState } from './states';

/** Long enough to be looked at. */
const MOMENT = 3_600_000;

export function mountAll(main: HTMLElement, states: readonly GalleryState[]): JobView[] {
  adoptStyle(main);
  return states.map((state) => {
    const view = mount(state);
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    caption.textContent = state.title;
    figure.append(caption, view.element);
    main.append(figure);
    for (const name of state.pressed ?? []) {
      view.element.querySelector<HTMLElement>(`[data-action=${name}]`)?.click();
    }
    return view;
  });
}

function mount(state: GalleryState): JobView {
  const { record, connection, language, name = 'flights.csv', rates = [], received, parts } = state;
  const messages = messagesFor(language, 'en');
  const view = new JobView({
    taskId: record?.taskId ?? '',
    name: record?.name ?? name,
    messages,
    moment: MOMENT,
    handlers: {
      act: async () => null,
      download: async () => {},
      reconnect: () => {},
      rerun: async () => {},
      link: async () => 'https://hub.example.org/links/0',
      reveal: async () => {},
    },
  });
  for (const [before, rate] of rates) {
    if (!record) continue;
    const elapsed = Math.max(0, record.elapsed - before / 1000);
    view.update({ ...record, updated: record.updated - before, elapsed, rate }, connection);
  }
  view.update(record, connection);
  if (received) view.showReceived(received);
  if (record?.steps.length) {
    const steps = new Steps(record, messages);
    steps.show(record, connection);
    view.showParts(steps.view.element);
  }
  if (parts) {
    const lines = new Parts({
      messages,
      name: record?.name ?? '',
      download: () => {},
      onEnd: () => {},
    });
    lines.keep(parts);
    if (record) lines.stand(record, connection, false);
    view.showParts(lines.view.element);
  }
  return view;
}
