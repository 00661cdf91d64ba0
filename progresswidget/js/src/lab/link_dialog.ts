/** The dialogs that make a link to a file, show it, and close it again. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { adoptExportStyle } from '../exporting/stylesheet';
import { closeLinks, FileFailure, type Link, makeLink, openLinks } from '../files';
import type { Server } from '../server';
import { formatMoment, formatSpan } from '../view/format';
import type { Chosen } from './place';
import type { Words } from './words';

/** Seconds that a person can choose from: ten minutes, an hour, a day, a week. */
const LIFETIMES = [600, 3600, 86_400, 604_800];
const USUAL = 3600;
const CLOSE = 'progresswidget-close-links';

type Said = Pick<Words, 'messages' | 'words'>;

/**
 * Ask for how long, copy a link, and offer to take it back.
 *
 * @throws FileFailure if the server has another opinion.
 */
export async function giveLink(server: Server, file: Chosen, said: Said): Promise<void> {
  const words = said.words.files;
  const { longest, links } = await openLinks(server, file.path);
  if (longest <= 0) throw new FileFailure('noLinks');
  const body = new Question(file.name, longest, links, said);
  const buttons = [
    Dialog.cancelButton({ label: words.cancel }),
    Dialog.okButton({ label: words.copy }),
  ];
  if (links.length > 0) {
    buttons.unshift(
      Dialog.warnButton({ label: words.closeAll(links.length), accept: false, actions: [CLOSE] }),
    );
  }
  const { button } = await showDialog({ title: words.linkTitle, body, buttons });
  if (button.actions.includes(CLOSE)) await closeLinks(server, file.path);
  else if (button.accept) await show(server, file, body.seconds, said);
}

async function show(server: Server, file: Chosen, seconds: number, said: Said) {
  const words = said.words.files;
  const link = await makeLink(server, file.path, seconds);
  const copied = await copy(link.url);
  const { button } = await showDialog({
    title: copied ? words.copiedTitle : words.madeTitle,
    body: new Answer(file.name, link, copied, said),
    focusNodeSelector: copied ? '' : 'input',
    buttons: [
      Dialog.warnButton({ label: words.closeOne, accept: false, actions: [CLOSE] }),
      Dialog.okButton({ label: words.close }),
    ],
  });
  if (button.actions.includes(CLOSE)) await closeLinks(server, file.path, link.id);
}

/** Only pages of a secure address have a clipboard, and a browser may still say no. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** For how long, and what is open already. */
class Question extends Widget {
  readonly #select = document.createElement('select');

  constructor(name: string, longest: number, links: readonly Link[], said: Said) {
    super();
    const { locale } = said.messages;
    const words = said.words.files;
    this.addClass('pw-dialog');
    this.node.lang = locale;
    const label = document.createElement('label');
    label.append(words.lifetime, this.#select);
    const choices = LIFETIMES.filter((seconds) => seconds <= longest);
    for (const seconds of choices.length > 0 ? choices : [longest]) {
      const text = formatSpan(seconds, locale);
      this.#select.add(new Option(text, String(seconds), seconds === USUAL, seconds === USUAL));
    }
    this.node.append(paragraph(words.linkBody(name)), label);
    if (links.length > 0) {
      const last = Math.max(...links.map(({ expires }) => expires));
      this.node.append(paragraph(words.open(links.length, formatMoment(last, locale))));
    }
  }

  get seconds(): number {
    return Number(this.#select.value);
  }

  protected override onAfterAttach(): void {
    adoptExportStyle(this.node);
  }
}

/** The link, to be copied by hand where the browser did not, and until when it works. */
class Answer extends Widget {
  readonly #input = document.createElement('input');

  constructor(name: string, link: Link & { readonly url: string }, copied: boolean, said: Said) {
    super();
    const { locale } = said.messages;
    const words = said.words.files;
    this.addClass('pw-dialog');
    this.node.lang = locale;
    this.#input.readOnly = true;
    this.#input.value = link.url;
    this.#input.ariaLabel = words.linkTitle;
    this.#input.className = 'jp-mod-styled';
    this.#input.addEventListener('focus', () => this.#input.select());
    if (!copied) this.node.append(paragraph(words.byHand));
    this.node.append(this.#input, paragraph(words.until(name, formatMoment(link.expires, locale))));
  }

  protected override onAfterAttach(): void {
    adoptExportStyle(this.node);
  }
}

function paragraph(text: string): HTMLParagraphElement {
  const element = document.createElement('p');
  element.textContent = text;
  return element;
}
