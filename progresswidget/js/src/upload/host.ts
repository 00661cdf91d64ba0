/** What uploads need of the page that they are shown in. */

import type { Server } from '../server';
import type { Listing, Picked } from './tree';

/** What becomes of a file whose name is taken; null for nothing. */
export type Choice = 'replace' | 'both' | null;

export interface UploadHost {
  readonly server: Server;
  /** Let the person pick the file of an earlier page again; null where they do not. */
  pickAgain(name: string): Promise<Picked | null>;
  /** Ask what becomes of a file that is there; null where the person thinks better of it. */
  askAboutTaken(name: string): Promise<Choice>;
  /** The same of a folder, of which so many files are there; asked once for all of them. */
  askAboutFolder(name: string, count: number): Promise<Choice>;
  /** Let the person pick a folder again: its files by their paths; null where they do not. */
  pickFolderAgain(name: string): Promise<ReadonlyMap<string, File> | null>;
  /** What is in a folder of the server now. */
  namesIn(folder: string): Promise<Listing>;
  /** Make a folder on the server, whose parent is there. */
  makeFolder(path: string): Promise<void>;
  /** A file is in a folder of the server. */
  arrived(folder: string): void;
}
