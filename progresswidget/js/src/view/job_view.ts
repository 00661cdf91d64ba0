/** The bar: one compact card, the same in every front end. */

import type { Connection } from '../channel/connection';
import type { JobRecord, TransferRecord } from '../protocol';
import { Announcer } from './announcer';
import { type ActionOptions, ButtonActions } from './button_actions';
import { Buttons } from './buttons';
import { DetailsView } from './details_view';
import { block, setData, setHidden, setStyle, setText, setTitle, span } from './dom';
import { Floor } from './floor';
import { isInView } from './in_view';
import { nameOf } from './kinds';
import { Numbers } from './numbers';
import { everySecond, Pace } from './pace';
import { type Presentation, present } from './presentation';
import { noteRate } from './rates';
import { ReceivedBar } from './received';
import { Sparkline } from './sparkline';
import { StateMark } from './state_mark';
import { Track } from './track';

export interface ViewOptions extends ActionOptions {
  readonly taskId: string;
  /** The name of the file, known before the first record. */
  readonly name: string;
}

export class JobView {
  readonly element: HTMLElement;
  readonly #options: ViewOptions;
  readonly #living = new AbortController();
  readonly #icon = new StateMark();
  readonly #name = document.createElement('bdi');
  readonly #words = span('pw-words');
  readonly #track = new Track();
  readonly #numbers = new Numbers();
  readonly #pace = new Pace();
  readonly #spark = new Sparkline();
  readonly #details: DetailsView;
  readonly #actions: ButtonActions;
  readonly #link = span('pw-link');
  readonly #note = block('pw-note');
  readonly #noteMessage = block('pw-note-message');
  readonly #noteHint = block('pw-note-hint');
  readonly #announcer = new Announcer();
  readonly #buttons: Buttons;

  #record: JobRecord | null = null;
  #connection: Connection = { kind: 'connecting' };
  #unknown = false;
  #endTicking: (() => void) | null = null;
  #transfer: HTMLElement | null = null;
  readonly #received: ReceivedBar;
  #download: TransferRecord | null = null;
  readonly #floor = new Floor();
  #caption = '';

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#received = new ReceivedBar(options.messages);
    this.#details = new DetailsView(options.messages);
    this.#actions = new ButtonActions(options, {
      record: () => this.#record,
      render: () => this.#render(),
      answered: (record) => this.update(record, this.#connection),
      toggleDetails: () => this.#details.toggle(this.#record),
      showLink: (url) => this.#details.showLink(url),
      say: (text) => this.#announcer.say(text),
    });
    this.#buttons = new Buttons(
      options.messages,
      (name) => void this.#actions.press(name),
      this.#living.signal,
    );
    this.element = this.#build();
    this.#render();
  }

  /** Show a state; null while none is known, `unknown` where the server says that it knows none. */
  update(record: JobRecord | null, connection: Connection, unknown = false): void {
    const before = this.#record;
    this.#record = record;
    this.#connection = connection;
    this.#unknown = unknown;
    if (record) {
      this.#actions.heard(before, record);
      this.#floor.raise(record);
      this.#spark.update(noteRate(record));
    }
    this.#render(before === null);
  }

  /** Show a text in place of the file's name, and a colour in place of that of the state. */
  dress(caption: string, style: string): void {
    this.#caption = caption;
    this.element.dataset.barStyle = style;
    this.#render();
  }

  /** Show the bar of a transfer below the job's own, or none. */
  showTransfer(element: HTMLElement | null): void {
    if (element === this.#transfer) return;
    this.#transfer?.remove();
    this.#transfer = element;
    if (element) this.#details.element.before(element);
    this.#render();
  }

  /** Show what the job consists of below its own bar. */
  showParts(element: HTMLElement): void {
    if (element.parentNode !== this.element) this.#announcer.element.before(element);
  }

  /** Show how far a download of the file is that the browser or another program makes. */
  showReceived(record: TransferRecord): void {
    this.#download = record;
    this.#renderReceived();
  }

  /** Do what a person asked for, and say it in words where it fails. */
  async attempt(run: () => Promise<void>): Promise<void> {
    await this.#actions.attempt(run);
  }

  dispose(): void {
    this.#actions.dispose();
    this.#living.abort();
    this.#tickWhile(false);
    this.element.remove();
  }

  // --- Building ---------------------------------------------------------------------------------

  #build(): HTMLElement {
    const { taskId, messages } = this.#options;
    const card = block('pw-job');
    card.dataset.taskId = taskId;
    // Lumino's shortcuts are the notebook's: with the focus on a button "d d" would delete the cell.
    card.setAttribute('data-lm-suppress-shortcuts', 'true');
    card.lang = messages.locale;

    this.#name.className = 'pw-name';
    const title = span('pw-title');
    title.append(this.#name, this.#words);
    const head = block('pw-head');
    head.append(this.#icon.element, title, this.#buttons.element);

    const meta = block('pw-meta');
    meta.append(this.#numbers.element, this.#spark.element, this.#link);

    this.#note.append(this.#noteMessage, this.#noteHint);
    card.append(
      head,
      this.#track.element,
      meta,
      this.#note,
      this.#details.element,
      this.#announcer.element,
    );
    return card;
  }

  // --- Rendering --------------------------------------------------------------------------------

  #render(first = false): void {
    const shown = present(
      {
        record: this.#record,
        connection: this.#connection,
        floor: this.#floor.percent,
        canDownload: this.#options.handlers.download !== null,
        canSave: this.#options.handlers.save != null && this.#transfer === null,
        unknown: this.#unknown,
        ahead: this.#record ? this.#pace.ahead(this.#record, Date.now()) : 0,
        cancelling: this.#actions.isCancelling,
        canRerun: this.#options.handlers.rerun != null,
        canLink: this.#options.handlers.link != null,
        canReveal: this.#options.handlers.reveal != null,
      },
      this.#options.messages,
    );
    setData(this.element, 'state', shown.state);
    setData(this.element, 'stage', shown.stage);
    setData(this.element, 'connection', this.#connection.kind);
    setData(this.element, 'stale', String(shown.stale));
    setData(this.element, 'blank', String(shown.blank));
    setData(this.element, 'ring', String(shown.ring));
    setHidden(this.element, shown.gone);
    this.#renderHead(shown);
    this.#renderTrack(shown, first);
    this.#numbers.update(shown.parts);
    setData(this.element, 'link', shown.quiet ? 'quiet' : 'loud');
    setText(this.#link, shown.link ?? '');
    setTitle(this.#link, shown.link ?? '');
    this.#renderReceived();
    this.#renderNote(shown);
    this.#details.update(this.#record);
    this.#buttons.update({
      shown: this.#record ? new Set([...shown.buttons, 'details']) : shown.buttons,
      asked: this.#actions.underway,
      name: this.#fileName,
      copied: this.#actions.hasCopied,
    });
    this.#buttons.controls('details', this.#details.element.id, this.#details.isOpen);
    this.#announce(shown);
    this.#tickWhile(shown.state === 'running' && !shown.stale);
  }

  /** Time goes on without a word of the server; what is paused or old stands still. */
  #tickWhile(running: boolean): void {
    if (running === (this.#endTicking !== null)) return;
    this.#endTicking?.();
    this.#endTicking = running ? everySecond(() => this.#tick()) : null;
  }

  #tick(): void {
    if (isInView(this.element)) this.#render();
  }

  #renderHead(shown: Presentation): void {
    this.#icon.show(shown.icon);
    setText(this.#name, this.#caption || this.#fileName);
    setTitle(this.#name, this.#record?.path ?? this.#fileName);
    setText(this.#words, shown.words);
  }

  #renderTrack(shown: Presentation, first: boolean): void {
    const { fill } = this.#track;
    const label = this.#options.messages.label(this.#fileName, this.#record?.kind ?? 'export');
    this.#track.update(label, shown.valueText, shown.percent, shown.moving);
    // The first value is where the job is, not where it came from: no run-up after a reload.
    // It moves from the next one on: to look at the layout here would cost one for each bar.
    setStyle(fill, 'transition', first ? 'none' : '');
    // Moved and not stretched: that costs no layout, and its end stays round.
    setStyle(fill, 'transform', `translateX(${(shown.percent ?? 0) - 100}%)`);
  }

  /** A save of this page has a bar of its own, and an older file of the job none at all. */
  #renderReceived(): void {
    const record = this.#record;
    const current = record && `${record.taskId}/${record.generation}` === this.#download?.fileId;
    const { element } = this.#received;
    if (this.#download === null || !current || this.#transfer !== null) {
      element.remove();
      return;
    }
    this.#received.update(this.#download);
    if (element.parentNode === null) this.#track.element.after(element);
  }

  #renderNote(shown: Presentation): void {
    const { failure } = this.#actions;
    const note = failure === null ? shown.note : { message: failure, hint: '' };
    setText(this.#noteMessage, note?.message ?? '');
    setText(this.#noteHint, note?.hint ?? '');
    setHidden(this.#note, note === null);
    // What a button failed at has not the colour of what the job came to.
    const isForgotten = this.#unknown && (this.#record?.status ?? 'done') === 'done';
    const kind = failure !== null ? 'failure' : isForgotten ? 'unknown' : 'job';
    if (this.#note.dataset.kind !== kind) this.#note.dataset.kind = kind;
  }

  /** Tell changes of state to a screen reader, never the numbers and not what was there at first. */
  #announce(shown: Presentation): void {
    // A page that has just been opened connects in a blink, and that all is well is no news.
    const isNews = !shown.quiet && this.#connection.kind !== 'connecting';
    const text = [
      shown.words,
      this.#actions.failure ?? shown.note?.message,
      isNews ? shown.link : null,
    ]
      .filter(Boolean)
      .join('. ');
    if (this.#record !== null) this.#announcer.update(this.#fileName, text);
  }

  get #fileName(): string {
    return this.#record ? nameOf(this.#record) : this.#options.name;
  }
}
