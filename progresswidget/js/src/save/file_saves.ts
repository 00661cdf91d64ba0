/** The saves of files that no export made: begun in the file browser, by this page or one before. */

import { recallAll } from '../kept';
import { isMoving } from '../transfer';
import type { SaveEntry } from './drive';
import { type Save, saveAt } from './saves';

export class FileSaves {
  readonly #base: string;
  readonly #begun = new Set<Save>();
  readonly #listeners = new Set<() => void>();
  readonly #living = new AbortController();

  /** @param base What the addresses of all such files begin with. */
  constructor(base: string) {
    this.#base = base;
  }

  /** Those that have something to show, in the order in which they were begun. */
  get all(): readonly Save[] {
    return [...this.#begun].filter(({ state }) => state !== null);
  }

  /** Hear of saves that come and go, until the signal aborts. */
  follow(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    listener();
  }

  /** Ask where to save to, and begin. Needs a click. */
  async begin(url: string, name: string): Promise<void> {
    const save = saveAt(url, name);
    this.#watch(save);
    if (save.state === null || !isMoving(save.state)) await save.begin();
  }

  /** Show again what an earlier page has begun. */
  async recall(): Promise<void> {
    for (const { url, name } of await recallAll<SaveEntry>('saves')) {
      if (url.startsWith(this.#base)) this.#watch(saveAt(url, name));
    }
  }

  #watch(save: Save): void {
    if (this.#begun.has(save)) return;
    this.#begun.add(save);
    let shown = save.state !== null;
    save.follow((state) => {
      if (shown === (state !== null)) return;
      shown = state !== null;
      this.#tell();
    }, this.#living.signal);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
