/** The parts of a group as lines: those that go on or went wrong, and the others when asked for. */

import type { Connection } from '../channel/connection';
import type { Messages } from '../i18n';
import { nested } from '../jobs/nesting';
import type { Records } from '../jobs/records';
import type { JobRecord } from '../protocol';
import { block, button, setAttribute, setHidden, setText, span } from './dom';
import { formatCount } from './format';
import { forgetFrame, inNextFrame } from './frame';
import { PARTS_ICON } from './icons';
import { PartLine } from './part_line';
import { STEP } from './step_records';
import { VirtualList } from './virtual_list';

export interface PartsViewOptions {
  readonly messages: Messages;
  /** How a person calls the group. */
  readonly name: string;
  readonly records: Records;
  /** What there is to show of a part. */
  read(taskId: string): JobRecord | undefined;
  connection(): Connection;
  /** Null where no server has the files. */
  download(): ((record: JobRecord) => void) | null;
}

// Pixels.
const LINE = 24;
const MOST = 10 * LINE;

/** The lines to show, in the order in which the parts began and nest. */
export function linesOf(records: Iterable<JobRecord>, open: boolean): ReadonlyMap<string, number> {
  return nested([...records].filter((record) => open || asksToBeSeen(record)));
}

/** Of a step more than its status says whether there is something to be looked at. */
function asksToBeSeen({ kind, status, leave }: JobRecord): boolean {
  return kind === STEP ? leave : status !== 'done';
}

export class PartsView {
  readonly element = block('pw-parts');
  readonly #options: PartsViewOptions;
  readonly #living = new AbortController();
  readonly #list: VirtualList;
  readonly #toggle = button('pw-button pw-parts-toggle', PARTS_ICON);
  readonly #label = span('pw-parts-label');
  readonly #render = () => this.#draw();
  #depths: ReadonlyMap<string, number> = new Map();
  #open = false;

  constructor(options: PartsViewOptions) {
    this.#options = options;
    const { messages, records, name, connection, download } = options;
    const { signal } = this.#living;
    this.#list = new VirtualList({
      label: messages.group.parts(name),
      estimate: LINE,
      atMost: MOST,
      create: (taskId) =>
        new PartLine({
          messages,
          read: () => options.read(taskId),
          depth: () => this.#depths.get(taskId) ?? 0,
          connection,
          download,
        }),
    });
    this.#list.element.id = `pw-parts-${Math.random().toString(36).slice(2)}`;
    this.#toggle.append(this.#label);
    this.#toggle.setAttribute('aria-controls', this.#list.element.id);
    this.#toggle.addEventListener('click', () => this.#flip(), { signal });
    this.element.append(this.#list.element, this.#toggle);
    records.follow((changed) => this.#take(changed), signal);
    this.#draw();
  }

  /** Whether all parts are shown. */
  get open(): boolean {
    return this.#open;
  }

  /** Draw all lines anew: what stands behind them has changed. */
  refresh(): void {
    this.#list.refresh();
  }

  dispose(): void {
    this.#living.abort();
    forgetFrame(this.#render);
    this.#list.dispose();
    this.element.remove();
  }

  #flip(): void {
    this.#open = !this.#open;
    this.#draw();
  }

  #take(changed: ReadonlySet<string>): void {
    this.#list.refresh(changed);
    inNextFrame(this.#render);
  }

  #draw(): void {
    const { records, messages } = this.#options;
    const lines = linesOf(records.values(), this.#open);
    const keys = [...lines.keys()];
    const before = this.#list.keys;
    const depths = this.#depths;
    this.#depths = lines;
    if (keys.length !== before.length || keys.some((key, index) => key !== before[index])) {
      this.#list.arrange(keys);
    }
    this.#list.refresh(keys.filter((key) => depths.get(key) !== lines.get(key)));
    setHidden(this.#list.element, lines.size === 0);
    const { group, locale } = messages;
    setAttribute(this.#toggle, 'aria-expanded', String(this.#open));
    setText(this.#label, this.#open ? group.fewer : group.all(formatCount(records.size, locale)));
    // Where all are to be seen anyway there is nothing to open.
    setHidden(this.#toggle, !this.#open && lines.size === records.size);
    setHidden(this.element, records.size === 0);
  }
}
