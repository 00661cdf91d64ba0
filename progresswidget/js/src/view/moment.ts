/**
 * The moment in which a person can take something back.
 *
 * What is asked for is done when it is over. A page that is closed before cannot be asked any more:
 * it was not taken back, and so it is done at once.
 */

export class Moment {
  readonly #length: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #act: (() => void) | null = null;

  /** @param length Milliseconds; none at 0. */
  constructor(length: number) {
    this.#length = length;
  }

  get isOpen(): boolean {
    return this.#act !== null;
  }

  /** Do `act` after the moment, unless it is taken back. */
  begin(act: () => void): void {
    this.takeBack();
    if (this.#length === 0) {
      act();
      return;
    }
    this.#act = act;
    this.#timer = setTimeout(this.end, this.#length);
    window.addEventListener('pagehide', this.end);
  }

  takeBack(): void {
    clearTimeout(this.#timer);
    window.removeEventListener('pagehide', this.end);
    this.#act = null;
  }

  /** Do now what waits. */
  readonly end = (): void => {
    const act = this.#act;
    this.takeBack();
    act?.();
  };
}
