/** The steps of a job in its card: those of a delivery are written, sent and published. */

import type { Connection } from './channel/connection';
import type { Messages } from './i18n';
import { Records } from './jobs/records';
import type { JobRecord } from './protocol';
import { formatCount } from './view/format';
import { inNextFrame } from './view/frame';
import { nameOf } from './view/kinds';
import { PartsView } from './view/parts_view';
import { stepsOf } from './view/step_records';

export class Steps {
  readonly view: PartsView;
  readonly #records = new Records(inNextFrame);
  readonly #messages: Messages;
  #connection: Connection = { kind: 'connecting' };
  #undone = 0;

  constructor(record: JobRecord, messages: Messages) {
    this.#messages = messages;
    const { step, group, locale } = messages;
    const all = (count: string) =>
      this.#undone === 0
        ? step.all(count)
        : step.allUndone(count, formatCount(this.#undone, locale));
    this.view = new PartsView({
      messages: { ...messages, group: { ...group, parts: step.steps, all } },
      name: nameOf(record),
      records: this.#records,
      read: (taskId) => this.#records.get(taskId),
      connection: () => this.#connection,
      download: () => null,
    });
  }

  show(record: JobRecord, connection: Connection): void {
    this.#connection = connection;
    this.#undone = record.steps.filter(({ status }) => status === 'undone').length;
    this.#records.replace(stepsOf(record, this.#messages));
  }

  dispose(): void {
    this.view.dispose();
  }
}
