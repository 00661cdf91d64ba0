/** The uploads of a page, those included that an earlier page has begun. */

import { dropAll, keep, keepAll, recallAll } from '../kept';
import { markOf } from './engine';
import { newEntry, randomId, type UploadEntry } from './entry';
import { type GroupMark, UploadGroup } from './group';
import type { UploadHost } from './host';
import { heldElsewhere } from './locks';
import { freeName } from './plan';
import {
  asNew,
  compare,
  countTaken,
  joined,
  type Listing,
  type Picked,
  type PickedFolder,
  type Placed,
  place,
} from './tree';
import { Upload } from './upload';

/** Files that are sent at the same time; the others wait their turn. */
const AT_ONCE = 2;

export class Uploads {
  readonly host: UploadHost;
  readonly #all: Upload[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(host: UploadHost) {
    this.host = host;
  }

  /** What has a bar of its own: a folder, or a file that is in none. */
  get all(): readonly (Upload | UploadGroup)[] {
    return [...new Set(this.#all.map((upload) => upload.group ?? upload))];
  }

  /** Hear of uploads that come and go, until the signal aborts. */
  follow(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    listener();
  }

  /** Show again what an earlier page has begun, and go on where nobody has to be asked. */
  async recall(): Promise<void> {
    const isElsewhere = await heldElsewhere();
    const groups = new Map<string, UploadGroup>();
    const found: Upload[] = [];
    for (const entry of await recallAll<UploadEntry>('uploads')) {
      const mark = entry.group;
      const isHeld = [entry.id, mark?.id ?? entry.id].some(isElsewhere);
      if (entry.base !== this.#base || isHeld) continue;
      if (mark && !groups.has(mark.id)) groups.set(mark.id, new UploadGroup(this, mark));
      found.push(new Upload(this, entry, null, mark ? groups.get(mark.id) : undefined));
    }
    for (const group of groups.values()) {
      group.take(found.filter((upload) => upload.group === group));
    }
    this.#add(...found);
    for (const upload of found) await upload.goOn();
  }

  /** Send files, in the place of those that arrived before; where a name is taken, ask first. */
  async add(files: readonly Picked[], folder: string): Promise<void> {
    this.#makeRoom();
    const there = await this.host.namesIn(folder);
    for (const picked of files) {
      const { name } = picked.file;
      if (there.has(name)) await this.addTaken(picked, folder, name, there);
      else await this.#send(picked, folder, name, false);
    }
  }

  /** Send a folder under one bar; where names are taken, ask once for all of them. */
  async addFolder({ branch, leftOut, handle }: PickedFolder, folder: string): Promise<void> {
    this.#makeRoom();
    const there = await this.host.namesIn(folder);
    const look = (path: string) => this.host.namesIn(path);
    let name = branch.name;
    let compared = await compare(branch, joined(folder, name), there.get(name) === true, look);
    const taken = countTaken(compared);
    const choice = taken > 0 ? await this.host.askAboutFolder(name, taken) : 'replace';
    if (choice === null) return;
    if (choice === 'both' || there.get(name) === false) {
      name = freeName(name, there);
      compared = asNew(branch);
    }
    const { folders, files } = place(compared, joined(folder, name));
    for (const path of folders) await this.host.makeFolder(path);
    this.host.arrived(folder);
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    const mark = { id: randomId(), name, folder, files: files.length, size, leftOut, handle };
    if (files.length > 0) await this.#sendAll(files, mark);
  }

  /** Send a file whose name is taken: in the other's place, under another name, or not at all. */
  async addTaken(picked: Picked, folder: string, name: string, there: Listing): Promise<boolean> {
    const choice = await this.host.askAboutTaken(name);
    if (choice === 'replace') await this.#send(picked, folder, name, true);
    else if (choice === 'both') await this.#send(picked, folder, freeName(name, there), false);
    return choice !== null;
  }

  async #send({ file, handle }: Picked, folder: string, target: string, overwrite: boolean) {
    const aim = { folder, target, overwrite, handle };
    const entry = { ...newEntry(file, aim, this.#base), ...(await markOf(file)) };
    await keep('uploads', entry);
    this.#add(new Upload(this, entry, file));
    this.startNext();
  }

  async #sendAll(files: readonly Placed[], mark: GroupMark): Promise<void> {
    const group = new UploadGroup(this, mark);
    const entries = files.map(({ file, source, folder, target, overwrite, handle }) => ({
      ...newEntry(file, { folder, target, overwrite, handle }, this.#base),
      source,
      group: mark,
    }));
    await keepAll('uploads', entries);
    const all = entries.map((entry, at) => new Upload(this, entry, files[at]?.file ?? null, group));
    group.take(all);
    this.#add(...all);
    this.startNext();
  }

  /** Uploads of another server are not ours. */
  get #base(): string {
    return this.host.server.base;
  }

  /** Take away what has arrived: there are new files to look at. */
  #makeRoom(): void {
    for (const { state, dismiss } of this.all) if (state.status === 'done') void dismiss();
  }

  startNext(): void {
    const running = this.#all.filter(({ isRunning }) => isRunning).length;
    const waiting = this.#all.filter(({ state, group }) => {
      return state.status === 'queued' && group?.isHeld !== true;
    });
    for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - running))) upload.start();
  }

  remove(upload: Upload): void {
    const index = this.#all.indexOf(upload);
    if (index >= 0) this.#all.splice(index, 1);
    this.#tell();
    this.startNext();
  }

  /** The same for all files of a folder. */
  async removeGroup(group: UploadGroup): Promise<void> {
    const members = this.#all.filter((upload) => upload.group === group);
    for (const member of members) member.end();
    this.#all.splice(0, Infinity, ...this.#all.filter((upload) => upload.group !== group));
    this.#tell();
    this.startNext();
    await dropAll(
      'uploads',
      members.map(({ id }) => id),
    );
  }

  #add(...uploads: readonly Upload[]): void {
    this.#all.push(...uploads);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
