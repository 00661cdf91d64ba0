/** Small pieces of a page. */

export function block(className: string): HTMLDivElement {
  const element = document.createElement('div');
  element.className = className;
  return element;
}

export function span(className: string): HTMLSpanElement {
  const element = document.createElement('span');
  element.className = className;
  return element;
}

/** @param html What is within it: our own icons. */
export function button(className: string, html = ''): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = className;
  element.innerHTML = html;
  return element;
}

// Writing the same value again would still dirty the layout and wake a screen reader.
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setTitle(element: HTMLElement, text: string): void {
  if (element.title !== text) element.title = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setData(element: HTMLElement, name: string, value: string): void {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

export function setStyle(
  element: HTMLElement,
  name: 'width' | 'height' | 'transform' | 'transition',
  value: string,
): void {
  if (element.style[name] !== value) element.style[name] = value;
}

/** How far inwards something stands, for the style sheet. */
export function setDepth(element: HTMLElement, depth: number): void {
  const value = String(depth);
  const { style } = element;
  if (style.getPropertyValue('--pw-depth') !== value) style.setProperty('--pw-depth', value);
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}
