/** The details of a job below its bar, made when somebody asks for them. */

import type { Messages } from '../i18n';
import type { JobRecord } from '../protocol';
import { type Detail, detailsOf } from './details';
import { block, span } from './dom';

let count = 0;

export class DetailsView {
  readonly element = block('pw-details');
  readonly #messages: Messages;
  readonly #list = document.createElement('dl');
  #shown = '';

  constructor(messages: Messages) {
    count += 1;
    this.#messages = messages;
    this.element.id = `pw-details-${count}`;
    this.element.role = 'group';
    this.element.ariaLabel = messages.action.details;
    this.element.hidden = true;
    this.element.append(this.#list);
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  toggle(record: JobRecord | null): void {
    this.element.hidden = this.isOpen;
    this.update(record);
  }

  /** Write what has changed, if anybody looks. */
  update(record: JobRecord | null): void {
    if (!this.isOpen || record === null) return;
    const details = detailsOf(record, this.#messages);
    // Numbers do not come here: while a job runs the same is told many times.
    const text = JSON.stringify(details);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#list.replaceChildren(...details.flatMap((detail) => this.#row(detail)));
  }

  /** Show a link that the browser would not copy, to be copied by hand. */
  showLink(url: string): void {
    this.element.hidden = false;
    const input = document.createElement('input');
    input.className = 'pw-url';
    input.readOnly = true;
    input.value = url;
    input.ariaLabel = this.#messages.action.link;
    this.element.querySelector('.pw-url')?.remove();
    this.element.prepend(input);
    input.focus();
    input.select();
  }

  #row({ name, text, list }: Detail): HTMLElement[] {
    const term = document.createElement('dt');
    term.textContent = this.#messages.details.name[name];
    const value = document.createElement('dd');
    value.dataset.detail = name;
    if (list?.length) value.append(this.#table(list, name));
    value.append(text);
    return [term, value];
  }

  #table(list: NonNullable<Detail['list']>, name: Detail['name']): HTMLElement {
    const lines = block('pw-pairs');
    // What can be scrolled must be reached by keyboard (WCAG 2.1.1).
    lines.tabIndex = 0;
    lines.role = 'group';
    lines.ariaLabel = this.#messages.details.name[name];
    for (const [key, value] of list) {
      const line = block('pw-pair');
      const [left, right] = [document.createElement('bdi'), span('pw-type')];
      left.textContent = key;
      right.textContent = value;
      line.append(left, ' ', right);
      lines.append(line);
    }
    return lines;
  }
}
