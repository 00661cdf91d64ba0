/** Everything that is said, as a type: each language has one table, complete by it. */

import type { FailureKey } from '../actions';
import type { LossCause, OfflineReason } from '../channel/connection';
import type { JobError, Phase, Status } from '../protocol';
import type { TransferFailure, UploadFailure } from '../transfer';
import type { Asked } from '../view/buttons';
import type { DetailName } from '../view/details';
import type { ButtonName, TransferButton } from '../view/icons';

/** What is said of a job that did not come to its end. */
export type ErrorText = Pick<JobError, 'message' | 'hint'>;

export interface Messages {
  /** A BCP 47 tag, for `lang` and `Intl`. */
  readonly locale: string;
  readonly label: (name: string, kind: string) => string;
  readonly connecting: string;
  readonly status: Readonly<Record<Exclude<Status, 'running'>, string>>;
  readonly phase: Readonly<Record<Phase, string>>;
  readonly action: Readonly<Record<ButtonName, string>>;
  /** What a button says while its work goes on. */
  readonly pending: Readonly<Record<Asked, string>>;
  /** Said while a cancel can be taken back. */
  readonly cancelling: string;
  /** What a button says for a moment once a link is in the clipboard. */
  readonly copied: string;
  readonly details: {
    readonly name: Readonly<Record<DetailName, string>>;
    /** How many columns there are beside those that are told. */
    readonly more: (count: string) => string;
    readonly keptOf: (part: string, whole: string, share: string) => string;
    readonly nothingKept: string;
    readonly runOf: (count: string) => string;
  };
  readonly rows: (count: string) => string;
  readonly rowsOf: (count: string, total: string) => string;
  /** Of a loop whose unit nobody has named. */
  readonly iterations: (count: string) => string;
  readonly group: {
    readonly running: string;
    /** `text` may be some of a whole; `count` is what decides the form of the word. */
    readonly files: (text: string, count: string) => string;
    /** Of a group that makes no files. */
    readonly loops: (text: string, count: string) => string;
    readonly parts: (name: string) => string;
    readonly all: (count: string) => string;
    readonly fewer: string;
  };
  /** Of a job that has steps. */
  readonly step: {
    readonly name: Readonly<Record<'write' | 'send' | 'publish', string>>;
    readonly steps: (name: string) => string;
    readonly all: (count: string) => string;
    readonly allUndone: (count: string, undone: string) => string;
    /** Where that is not what is said of a job; `unbegun` where the job ended before. */
    readonly said: Readonly<Record<'undoing' | 'undone' | 'unbegun', string>>;
  };
  /** Of what nothing is written yet. */
  readonly rowsRead: (count: string) => string;
  /** How many of the rows were there already. */
  readonly reused: (count: string) => string;
  readonly rate: (rows: string) => string;
  /** The same of a transfer, in bytes. */
  readonly sizeOf: (size: string, total: string) => string;
  /** Of a loop that was left before its end: where. */
  readonly stoppedAt: (amount: string) => string;
  readonly reusedSize: (size: string) => string;
  readonly speed: (size: string) => string;
  readonly left: (time: string) => string;
  /** `cause` is one of `loss`, where the server has said it. */
  readonly reconnecting: (attempt: number, of: number, cause: string | null) => string;
  readonly loss: Readonly<Record<LossCause, string>>;
  /** Of a state that no server and no kernel stands behind. */
  readonly saved: string;
  /** What a bar is called that has no description. */
  readonly progress: string;
  /** Live, but without a WebSocket. */
  readonly live: string;
  readonly polling: string;
  readonly offline: Readonly<Record<OfflineReason, string>>;
  /** Shown in place of the buttons where the kernel could not hear them. */
  readonly stopByHand: string;
  readonly failure: Readonly<Record<FailureKey, string>>;
  /** What helps where the server has forgotten who wrote a file. */
  readonly runForFile: string;
  readonly transfer: TransferMessages;
  /** Of the thin bar: what left the server for a download that is not this page's. */
  readonly received: {
    readonly label: (name: string) => string;
    readonly running: (bytes: string) => string;
    readonly complete: (bytes: string) => string;
    readonly stopped: (bytes: string) => string;
  };
  /** By the code of a job's error; any other code is shown in the server's own words. */
  readonly error: Readonly<
    Record<
      | 'kernel-died'
      | 'kernel-killed'
      | 'kernel-out-of-memory'
      | 'kernel-restarted'
      | 'kernel-stopped'
      | 'kernel-silent'
      | 'process-died'
      | 'keyboard-interrupt'
      | 'transfer-stopped'
      | 'unknown-task',
      ErrorText
    >
  >;
}

/** Of one file that is saved; what is said of uploads in its place is in `i18n/lab`. */
export interface TransferMessages {
  readonly label: (name: string) => string;
  readonly starting: string;
  readonly checking: string;
  readonly failed: string;
  readonly running: string;
  readonly done: string;
  readonly verified: string;
  readonly waiting: (attempt: number, of: number) => string;
  readonly action: Readonly<Record<TransferButton, string>>;
  /** Those of uploads alone come from `i18n/lab`, where there are any. */
  readonly failure: Readonly<
    Record<Exclude<TransferFailure, UploadFailure>, string> & Partial<Record<UploadFailure, string>>
  >;
}
