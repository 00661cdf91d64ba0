/** The small curve of the rate beside the numbers. Nothing that is not in them, so unread aloud. */

import { setAttribute } from './dom';
import { curve, type RateTrail } from './rates';

const WIDTH = 56;
const HEIGHT = 14;
const SVG = 'http://www.w3.org/2000/svg';
/** Fewer say nothing. */
const FEWEST = 3;

export class Sparkline {
  readonly element = document.createElementNS(SVG, 'svg');
  readonly #line = document.createElementNS(SVG, 'path');

  constructor() {
    this.element.setAttribute('class', 'pw-spark');
    this.element.setAttribute('viewBox', `-1 -1 ${WIDTH + 2} ${HEIGHT + 2}`);
    this.element.setAttribute('aria-hidden', 'true');
    this.element.append(this.#line);
    this.update(null);
  }

  update(trail: RateTrail | null): void {
    const shown = trail !== null && trail.points.length >= FEWEST;
    this.element.toggleAttribute('hidden', !shown);
    if (shown && trail) setAttribute(this.#line, 'd', curve(trail, WIDTH, HEIGHT));
  }
}
