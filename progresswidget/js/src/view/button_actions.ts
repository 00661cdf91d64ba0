/** What the buttons of a bar do, how far that is, and what it failed at. */

import { ActionFailure } from '../actions';
import type { Messages } from '../i18n';
import { type Action, isTerminal, type JobRecord } from '../protocol';
import type { Asked } from './buttons';
import type { ButtonName } from './icons';
import { Moment } from './moment';

export interface Handlers {
  /** Ask for an action; the record in the answer, where there is one. */
  act(action: Action, signal: AbortSignal): Promise<JobRecord | null>;
  /** Null where no server can be reached from the page. */
  readonly download: ((record: JobRecord, signal: AbortSignal) => Promise<void>) | null;
  /** Begin a save that can be resumed; null where the page cannot. */
  readonly save?: ((record: JobRecord) => Promise<void>) | null;
  reconnect(): void;
  /** Run the cell again that made the job; null where it is not at hand. */
  readonly rerun?: (() => Promise<void>) | null;
  /** Make an address of the file that works without signing in. */
  readonly link?: ((record: JobRecord, signal: AbortSignal) => Promise<string>) | null;
  /** Show the file among those of the server. */
  readonly reveal?: ((record: JobRecord) => Promise<void>) | null;
}

/** Milliseconds in which a cancel can be taken back. */
const MOMENT = 4000;
/** Milliseconds for which a button says that it has done its work. */
const FEEDBACK = 2500;

/** What takes its time, apart from the steering of the job. */
type Work = Exclude<Asked, Action>;

/** What the actions need of the bar that their buttons are in. */
export interface ActedBar {
  record(): JobRecord | null;
  /** Something has changed that it shows. */
  render(): void;
  /** Take the state that an action was answered with. */
  answered(record: JobRecord): void;
  toggleDetails(): void;
  /** Show an address that is to be copied by hand. */
  showLink(url: string): void;
  /** Tell a screen reader. */
  say(text: string): void;
}

export interface ActionOptions {
  readonly messages: Messages;
  readonly handlers: Handlers;
  /** Milliseconds in which a cancel can be taken back. */
  readonly moment?: number;
}

export class ButtonActions {
  readonly #handlers: Handlers;
  readonly #messages: Messages;
  readonly #bar: ActedBar;
  readonly #moment: Moment;
  readonly #living = new AbortController();
  #asked: Action | null = null;
  /** The button whose work goes on. */
  #working: Work | null = null;
  #failure: string | null = null;
  #copied = false;

  constructor({ handlers, messages, moment = MOMENT }: ActionOptions, bar: ActedBar) {
    this.#handlers = handlers;
    this.#messages = messages;
    this.#bar = bar;
    this.#moment = new Moment(moment);
  }

  /** What was asked for, here or elsewhere, and has not come about. */
  get underway(): ReadonlySet<Asked> {
    const names = [this.#asked ?? this.#bar.record()?.pending, this.#working];
    return new Set(names.filter((name) => name != null));
  }

  /** What was tried last and did not come about, in words. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Whether a cancel can still be taken back. */
  get isCancelling(): boolean {
    return this.#moment.isOpen;
  }

  /** Whether the link has just been put into the clipboard. */
  get hasCopied(): boolean {
    return this.#copied;
  }

  /** A newer state of the job: what was asked for may have come about, or be of no use any more. */
  heard(before: JobRecord | null, record: JobRecord): void {
    if (before && before.status !== record.status) {
      this.#failure = null;
      this.#working = null;
    }
    if (before?.status !== record.status || record.pending !== null) this.#asked = null;
    // Nothing is left to be cancelled, or somebody else did so.
    if (isTerminal(record.status) || record.pending === 'cancel') this.#moment.takeBack();
  }

  dispose(): void {
    // Nobody can take it back any more, and nobody did.
    this.#moment.end();
    this.#living.abort();
  }

  /** Do what a button is for. */
  async press(name: ButtonName): Promise<void> {
    switch (name) {
      case 'reconnect':
        this.#handlers.reconnect();
        return;
      case 'details':
        this.#bar.toggleDetails();
        this.#bar.render();
        return;
      case 'undo':
        this.#moment.takeBack();
        this.#bar.render();
        return;
      case 'cancel':
        this.#failure = null;
        this.#moment.begin(() => void this.attempt(() => this.#act('cancel')));
        this.#bar.render();
        return;
      case 'pause':
      case 'resume':
        await this.attempt(() => this.#act(name));
        return;
      default:
        await this.attempt(() => this.#work(name));
    }
  }

  /** Do what a person asked for, and say it in words where it fails. */
  async attempt(run: () => Promise<void>): Promise<void> {
    this.#failure = null;
    this.#bar.render();
    try {
      await run();
    } catch (error) {
      if (this.#living.signal.aborted) return;
      this.#failure = this.#wordsFor(error);
      this.#bar.render();
    }
  }

  /** Steer the job. */
  async #act(action: Action): Promise<void> {
    this.#asked = action;
    this.#bar.render();
    // A cancel is wanted even if the card goes away with it.
    const signal = action === 'cancel' ? new AbortController().signal : this.#living.signal;
    try {
      const answer = await this.#handlers.act(action, signal);
      // A kernel that was told over the comm answers with its next state.
      if (answer === null || this.#living.signal.aborted) return;
      this.#asked = null;
      // The socket may have been quicker than this answer, and then knows more.
      const known = this.#bar.record();
      this.#bar.answered(known && known.updated > answer.updated ? known : answer);
    } catch (error) {
      this.#asked = null;
      throw error;
    }
  }

  async #work(name: Work): Promise<void> {
    const record = this.#bar.record();
    if (!record) return;
    this.#working = name;
    this.#bar.render();
    try {
      await this.#does(name, record);
    } finally {
      this.#working = null;
    }
    this.#bar.render();
  }

  async #does(name: Work, record: JobRecord): Promise<void> {
    const { download, save, rerun, reveal, link } = this.#handlers;
    const { signal } = this.#living;
    switch (name) {
      case 'save':
        return await save?.(record);
      case 'continue':
      case 'retry':
        return await rerun?.();
      case 'reveal':
        return await reveal?.(record);
      case 'link':
        return this.#offerLink((await link?.(record, signal)) ?? '');
      default:
        return await download?.(record, signal);
    }
  }

  /** Into the clipboard, or to be copied by hand where the browser does not let a page copy. */
  async #offerLink(url: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(url);
    } catch {
      if (!this.#living.signal.aborted) this.#bar.showLink(url);
      return;
    }
    this.#copied = true;
    this.#bar.say(this.#messages.copied);
    setTimeout(() => {
      this.#copied = false;
      if (!this.#living.signal.aborted) this.#bar.render();
    }, FEEDBACK);
  }

  #wordsFor(error: unknown): string {
    const { failure } = this.#messages;
    if (!(error instanceof ActionFailure)) return failure.refused;
    return error.key === 'refused' && error.detail !== ''
      ? `${failure.refused} ${error.detail}`
      : failure[error.key];
  }
}
