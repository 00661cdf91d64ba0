/** The bar of a loop: one line among other ipywidgets. */

import type { Messages } from '../i18n';
import type { ProgressTraits } from '../traits';
import { block, setAttribute, setText, setTitle, span } from './dom';
import { Numbers } from './numbers';
import { type ProgressPresentation, presentProgress } from './progress_presentation';

export class ProgressView {
  readonly element = block('pw-progress');
  readonly #messages: Messages;
  readonly #label = span('pw-progress-label');
  readonly #track = block('pw-track');
  readonly #fill = block('pw-fill');
  readonly #words = span('pw-progress-words');
  readonly #numbers = new Numbers();
  readonly #announcer = span('pw-announcer');
  #announced: string | null = null;

  constructor(messages: Messages) {
    this.#messages = messages;
    this.element.lang = messages.locale;
    this.#track.role = 'progressbar';
    this.#track.setAttribute('aria-valuemin', '0');
    this.#track.setAttribute('aria-valuemax', '100');
    this.#track.append(this.#fill);
    this.#announcer.role = 'status';
    const line = block('pw-progress-line');
    line.append(this.#label, this.#track, this.#words, this.#numbers.element);
    this.element.append(line, this.#announcer);
  }

  /** Show the traits; `live` says whether a kernel stands behind them. */
  update(traits: ProgressTraits, live: boolean): void {
    const shown = presentProgress(traits, live, this.#messages);
    const { dataset } = this.element;
    dataset.state = shown.state;
    dataset.stage = shown.state;
    dataset.barStyle = traits.bar_style;
    dataset.orientation = traits.orientation;
    dataset.live = String(live);
    setText(this.#label, traits.description);
    setTitle(this.#label, traits.description);
    setText(this.#words, shown.words);
    this.#numbers.update(shown.parts);
    this.#renderTrack(traits, shown);
    this.#announce(traits, shown);
  }

  #renderTrack(traits: ProgressTraits, shown: ProgressPresentation): void {
    const { percent } = shown;
    const track = this.#track;
    setAttribute(track, 'aria-label', traits.description || this.#messages.progress);
    setAttribute(track, 'aria-valuetext', shown.valueText);
    if (percent === null) track.removeAttribute('aria-valuenow');
    else setAttribute(track, 'aria-valuenow', String(Math.round(percent * 10) / 10));
    track.dataset.indeterminate = String(percent === null && shown.moving);
    const vertical = traits.orientation === 'vertical';
    // An end without a known total is a full bar.
    const filled = `${percent ?? (shown.state === 'done' ? 100 : 0)}%`;
    this.#fill.style.width = vertical ? '' : filled;
    this.#fill.style.height = vertical ? filled : '';
  }

  /** Tell changes of state to a screen reader, never the numbers. */
  #announce(traits: ProgressTraits, { state }: ProgressPresentation): void {
    if (this.#announced !== null && this.#announced !== state && state !== 'running') {
      const name = traits.description || this.#messages.progress;
      this.#announcer.textContent = `${name}: ${this.#messages.status[state]}`;
    }
    this.#announced = state;
  }
}
