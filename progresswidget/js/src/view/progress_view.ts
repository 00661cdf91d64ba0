/** The bar of a loop: one line among other ipywidgets. */

import type { Messages } from '../i18n';
import type { ProgressTraits } from '../traits';
import { Announcer } from './announcer';
import { block, setData, setStyle, setText, setTitle, span } from './dom';
import { Numbers } from './numbers';
import { type ProgressPresentation, presentProgress } from './progress_presentation';
import { Track } from './track';

export class ProgressView {
  readonly element = block('pw-progress');
  readonly #messages: Messages;
  readonly #label = span('pw-progress-label');
  readonly #track = new Track();
  readonly #words = span('pw-progress-words');
  readonly #numbers = new Numbers();
  readonly #announcer = new Announcer();
  #width = '';

  constructor(messages: Messages) {
    this.#messages = messages;
    this.element.lang = messages.locale;
    const line = block('pw-progress-line');
    line.append(this.#label, this.#track.element, this.#words, this.#numbers.element);
    this.element.append(line, this.#announcer.element);
  }

  /** Show the traits; `live` says whether a kernel stands behind them. */
  update(traits: ProgressTraits, live: boolean): void {
    const shown = presentProgress(traits, live, this.#messages);
    setData(this.element, 'state', shown.state);
    setData(this.element, 'stage', shown.state);
    setData(this.element, 'barStyle', traits.bar_style);
    setData(this.element, 'orientation', traits.orientation);
    setData(this.element, 'live', String(live));
    setText(this.#label, traits.description);
    setTitle(this.#label, traits.description);
    this.#widen(traits);
    setText(this.#words, shown.words);
    this.#numbers.update(shown.parts);
    this.#renderTrack(traits, shown);
    const { state } = shown;
    const news = state === 'running' ? '' : this.#messages.status[state];
    this.#announcer.update(this.#nameOf(traits), news);
  }

  /** As `description_width` of ipywidgets: `initial` is as wide as the text. */
  #widen({ description_width: width, orientation }: ProgressTraits): void {
    const wanted = orientation === 'vertical' ? '' : width === 'initial' ? 'max-content' : width;
    if (wanted === this.#width) return;
    this.#width = wanted;
    this.#label.removeAttribute('style');
    const { style } = this.#label;
    // What is no length is not taken.
    style.width = wanted;
    if (style.width) style.minWidth = '0';
  }

  #renderTrack(traits: ProgressTraits, shown: ProgressPresentation): void {
    const { percent, state } = shown;
    this.#track.update(this.#nameOf(traits), shown.valueText, percent, shown.moving);
    const vertical = traits.orientation === 'vertical';
    // An end without a known total is a full bar.
    const filled = `${percent ?? (state === 'done' ? 100 : 0)}%`;
    setStyle(this.#track.fill, 'width', vertical ? '' : filled);
    setStyle(this.#track.fill, 'height', vertical ? filled : '');
  }

  #nameOf({ description }: ProgressTraits): string {
    return description || this.#messages.progress;
  }
}
