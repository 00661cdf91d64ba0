/** A folder that is sent, beside what the server has in its place: decisions over values. */

import { freeName } from './plan';

/** A file to send, with a handle where the browser gave one. */
export interface Picked {
  readonly file: File;
  readonly handle: FileSystemFileHandle | null;
}

/** A folder as it was found on the person's computer. */
export interface Branch {
  readonly name: string;
  readonly files: readonly Picked[];
  readonly folders: readonly Branch[];
}

/** A dropped folder, and how much of it was not taken along. */
export interface PickedFolder {
  readonly branch: Branch;
  readonly leftOut: number;
  readonly handle: FileSystemDirectoryHandle | null;
}

/** What is in a folder of the server: names, and whether each is a folder. */
export type Listing = ReadonlyMap<string, boolean>;

/** A folder and its twin on the server, null where there is none. */
export interface Compared {
  readonly name: string;
  readonly files: readonly Picked[];
  readonly folders: readonly Compared[];
  readonly there: Listing | null;
}

/** A file and where it goes; `source` is where it was, below the folder that is sent. */
export interface Placed extends Picked {
  readonly source: string;
  readonly folder: string;
  readonly target: string;
  readonly overwrite: boolean;
}

export interface Placement {
  /** To be made, the outer ones first. */
  readonly folders: readonly string[];
  readonly files: readonly Placed[];
}

/** A path below the server's root. */
export const joined = (...parts: readonly string[]) =>
  parts.filter((part) => part !== '').join('/');

/**
 * Look at what the server has where a folder is to go.
 *
 * @param isThere Whether it has a folder of this name there.
 * @param look Lists a folder that is there.
 */
export async function compare(
  branch: Branch,
  path: string,
  isThere: boolean,
  look: (path: string) => Promise<Listing>,
): Promise<Compared> {
  const { name, files } = branch;
  const there = isThere ? await look(path) : null;
  const folders: Compared[] = [];
  for (const inner of branch.folders) {
    const known = there?.get(inner.name) === true;
    folders.push(await compare(inner, joined(path, inner.name), known, look));
  }
  return { name, files, folders, there };
}

/** How many files would replace files: what meets another kind never does, and is no question. */
export function countTaken({ files, folders, there }: Compared): number {
  const own = files.filter(({ file }) => there?.get(file.name) === false).length;
  return folders.reduce((sum, inner) => sum + countTaken(inner), own);
}

/**
 * Say where everything goes, if files are replaced by files.
 *
 * What meets something of another kind gets another name: neither is worth the loss of the other.
 */
export function place(compared: Compared, path: string): Placement {
  const folders: string[] = [];
  const files: Placed[] = [];
  const enter = ({ files: own, folders: inner, there }: Compared, at: string, source: string) => {
    if (there === null) folders.push(at);
    // What gets another name must not meet what keeps its own.
    const names = new Set(there?.keys());
    for (const { file } of own) names.add(file.name);
    for (const { name } of inner) names.add(name);
    const another = (name: string) => {
      const free = freeName(name, names);
      names.add(free);
      return free;
    };
    for (const { file, handle } of own) {
      const taken = there?.get(file.name);
      const target = taken ? another(file.name) : file.name;
      const from = joined(source, file.name);
      files.push({ file, handle, source: from, folder: at, target, overwrite: taken === false });
    }
    for (const one of inner) {
      const name = there?.get(one.name) === false ? another(one.name) : one.name;
      enter(one, joined(at, name), joined(source, one.name));
    }
  };
  enter(compared, path, '');
  return { folders, files };
}

/** The same folder where the server has nothing. */
export function asNew({ name, files, folders }: Branch): Compared {
  return { name, files, folders: folders.map(asNew), there: null };
}
