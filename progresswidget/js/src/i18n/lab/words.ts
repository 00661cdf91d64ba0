/**
 * What JupyterLab alone says of exports, as a type: the panel, menus, notices and settings.
 *
 * Apart from the bar's own table, which every host loads.
 */

import type { FileFailureKey } from '../../files';
import type { Choice } from '../../jobs/choices';
import type { Order } from '../../jobs/query';
import type { UploadFailure } from '../../transfer';
import type { GroupFacts } from '../../upload/group';
import type { ErrorText, TransferMessages } from '../messages';

export const EXPORTS_COMMANDS = ['open', 'notebook', 'pauseAll', 'resumeAll', 'clear'] as const;
export type ExportsCommand = (typeof EXPORTS_COMMANDS)[number];

/** What takes room: exported files, parts of files, unfinished uploads, the server's own records. */
export const DISK_PARTS = ['files', 'leftovers', 'uploads', 'state'] as const;
export type DiskPart = (typeof DISK_PARTS)[number];

export interface LabWords {
  readonly upload: UploadMessages;
  readonly files: FilesMessages;
  /** By the code of the error, of those that only a conversion may meet. */
  readonly conversionError: Readonly<
    Record<'server-stopped' | 'memory-limit' | 'time-limit', ErrorText>
  >;
  readonly title: string;
  readonly search: string;
  readonly running: string;
  readonly all: string;
  /** Of the buttons that choose a state. */
  readonly states: string;
  readonly sort: string;
  readonly order: Readonly<Record<Order, string>>;
  readonly list: string;
  readonly loading: string;
  readonly empty: string;
  /** What to do about it; the code comes after it. */
  readonly emptyHint: string;
  readonly nothing: string;
  readonly nothingOfNotebook: string;
  readonly showAll: string;
  readonly command: Readonly<Record<ExportsCommand, string>>;
  readonly caption: Readonly<Record<ExportsCommand, string>>;
  readonly choice: Readonly<Record<Choice, string>>;
  readonly clearTitle: string;
  readonly clearBody: (count: string) => string;
  readonly clear: string;
  readonly alsoLeftovers: (size: string) => string;
  readonly cancel: string;
  readonly disk: (size: string) => string;
  readonly diskParts: Readonly<Record<DiskPart, (size: string) => string>>;
  /** Of the status bar, and of the section of what runs. */
  readonly active: (count: number) => string;
  /** What is not listed there. */
  readonly more: (count: string) => string;
  readonly cancelAll: string;
  readonly cancelAllBody: string;
  readonly notice: {
    readonly done: (name: string, facts: string) => string;
    /** Of what leaves no file here: a loop, an upload, a group. */
    readonly over: (name: string) => string;
    readonly failed: (name: string, why: string) => string;
    readonly interrupted: (name: string, why: string) => string;
    readonly show: string;
  };
  readonly noCell: string;
  readonly failed: string;
  readonly close: string;
  readonly schemas: Readonly<Record<SchemaText, string>>;
}

/** What the schemas of our settings say; `scripts/catalog.mjs` makes JupyterLab's catalog of it. */
export type SchemaText =
  | 'filesTitle'
  | 'filesDescription'
  | 'uploadsTitle'
  | 'uploadsDescription'
  | 'dropFromTitle'
  | 'dropFromDescription'
  | 'exportAsTitle'
  | 'exportAsDescription'
  | 'exportsTitle'
  | 'exportsDescription'
  | 'noticesTitle'
  | 'noticesDescription'
  | 'noticeAfterTitle'
  | 'noticeAfterDescription'
  | 'noticeHiddenTitle'
  | 'noticeHiddenDescription'
  | 'statusBarTitle'
  | 'statusBarDescription'
  | 'runningTitle'
  | 'runningDescription'
  | 'orderTitle'
  | 'orderDescription'
  | Order;

/** Of the uploads in the file browser. */
export interface UploadMessages {
  /** In the place of what the bar's table says of saves. */
  readonly said: Pick<TransferMessages, 'label' | 'running' | 'done' | 'verified'>;
  readonly command: string;
  readonly caption: string;
  readonly list: string;
  readonly replaceTitle: string;
  readonly replaceBody: (name: string) => string;
  /** Of a folder that is there, with so many files of the same names. */
  readonly mergeTitle: string;
  readonly mergeBody: (name: string, count: number) => string;
  /** How the files of a folder fare. */
  readonly facts: (facts: GroupFacts) => string;
  readonly tooMany: (name: string, most: number) => string;
  readonly readOnly: string;
  readonly replace: string;
  readonly both: string;
  readonly cancel: string;
  /** Of the command palette: JupyterLab's own word, so that they stand together. */
  readonly category: string;
  readonly failure: Readonly<Record<UploadFailure, string>>;
}

/** Of downloads, archives and links in the file browser. */
export interface FilesMessages {
  readonly download: string;
  readonly saveCaption: string;
  readonly downloadCaption: string;
  /** Of what is picked: one folder, or several. */
  readonly archiveFolder: string;
  readonly archive: string;
  /** Of the folder that is shown. */
  readonly archiveWhole: string;
  readonly archiveCaption: string;
  readonly link: string;
  readonly linkCaption: string;
  readonly list: string;
  readonly linkTitle: string;
  readonly linkBody: (name: string) => string;
  readonly lifetime: string;
  /** How many links are open, and until when the last is. */
  readonly open: (count: number, time: string) => string;
  readonly closeAll: (count: number) => string;
  readonly closeOne: string;
  readonly copy: string;
  readonly copiedTitle: string;
  readonly madeTitle: string;
  readonly byHand: string;
  readonly until: (name: string, time: string) => string;
  readonly cancel: string;
  readonly close: string;
  readonly failed: string;
  readonly failure: Readonly<Record<FileFailureKey, string>>;
}
