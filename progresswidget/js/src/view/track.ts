/** The groove of a bar and what fills it: how far something is, for the eye and for a screen reader. */

import { block, setAttribute, setData } from './dom';

export class Track {
  readonly element: HTMLElement;
  /** Drawn by whose bar it is. */
  readonly fill: HTMLElement;

  /** The classes of either. */
  constructor(track = 'pw-track', fill = 'pw-fill') {
    this.element = block(track);
    this.fill = block(fill);
    this.element.role = 'progressbar';
    setAttribute(this.element, 'aria-valuemin', '0');
    setAttribute(this.element, 'aria-valuemax', '100');
    this.element.append(this.fill);
  }

  /**
   * Say how far it is.
   *
   * @param percent 0 to 100, or null where nobody knows how much there is.
   * @param moving Whether something is seen to go on where that is so.
   */
  update(label: string, valueText: string, percent: number | null, moving = false): void {
    setAttribute(this.element, 'aria-label', label);
    setAttribute(this.element, 'aria-valuetext', valueText);
    // Not rounded up: nothing is said that is not so yet.
    if (percent === null) this.element.removeAttribute('aria-valuenow');
    else setAttribute(this.element, 'aria-valuenow', String(Math.floor(percent * 10) / 10));
    setData(this.element, 'indeterminate', String(percent === null && moving));
  }
}
