/** The parts of a group and where they come from: the notebook's copy, and the server's channel. */

import type { Channel } from './channel/channel';
import type { Messages } from './i18n';
import { Records } from './jobs/records';
import { isTerminal, type JobRecord } from './protocol';
import { inNextFrame } from './view/frame';
import { PartsView } from './view/parts_view';

export interface PartsOptions {
  readonly messages: Messages;
  readonly name: string;
  readonly download: ((record: JobRecord) => void) | null;
  /** Called when a part has ended. */
  readonly onEnd: () => void;
}

export class Parts {
  readonly view: PartsView;
  readonly #records = new Records(inNextFrame);
  readonly #options: PartsOptions;
  #unfollow: (() => void) | null = null;

  constructor(options: PartsOptions) {
    this.#options = options;
    this.view = new PartsView({ ...options, records: this.#records });
  }

  /** All that are known, the first one first. */
  get records(): readonly JobRecord[] {
    return [...this.#records.values()].sort((a, b) => a.created - b.created);
  }

  /** Take what the notebook or the kernel says of them; the server knows better. */
  keep(records: readonly JobRecord[]): void {
    for (const record of records) this.#records.put(record);
  }

  /** Hear of them from the server, unless the notebook has the end of each. */
  follow(channel: Channel, group: JobRecord): void {
    const { size } = this.#records;
    const whole = size > 0 && size === group.total && this.records.every(hasEnded);
    if (this.#unfollow || (isTerminal(group.status) && whole)) return;
    this.#unfollow = channel.followParts(group.taskId, ({ record }) => {
      if (record === null || !this.#records.put(record)) return;
      if (hasEnded(record)) this.#options.onEnd();
    });
  }

  dispose(): void {
    this.#unfollow?.();
    this.view.dispose();
  }
}

function hasEnded({ status }: JobRecord): boolean {
  return isTerminal(status);
}
