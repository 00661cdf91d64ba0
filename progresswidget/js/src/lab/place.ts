/** Where in the server's folders a person is, and what they have picked there. */

import type { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { Contents } from '@jupyterlab/services';

/** Drives whose files are those below the server's root; of others we know nothing. */
const OWN_DRIVES = new Set(['', 'RTC']);

/** A file or a folder, by its path below the server's root. */
export interface Chosen {
  readonly name: string;
  readonly path: string;
  readonly isFolder: boolean;
}

export class Place {
  readonly #contents: Contents.IManager;
  readonly #factory: IFileBrowserFactory;
  readonly #standard: FileBrowser | null;

  constructor(
    contents: Contents.IManager,
    factory: IFileBrowserFactory,
    standard: FileBrowser | null,
  ) {
    this.#contents = contents;
    this.#factory = factory;
    this.#standard = standard;
  }

  /** The file browser that was used last. */
  get current(): FileBrowser | null {
    return this.#factory.tracker.currentWidget ?? this.#standard;
  }

  /** The folder that a browser shows, below the server's root; null where it is not the server's. */
  folderOf({ model }: FileBrowser): string | null {
    return this.#isOwn(model.path) ? this.#contents.localPath(model.path) : null;
  }

  /** What is picked in a browser; nothing where it is not the server's. */
  chosenIn(browser: FileBrowser): readonly Chosen[] {
    return [...browser.selectedItems()]
      .filter(({ path }) => this.#isOwn(path))
      .map(({ name, path, type }) => ({
        name,
        path: this.#contents.localPath(path),
        isFolder: type === 'directory',
      }));
  }

  /** What is picked in the file browser that was used last. */
  get chosen(): readonly Chosen[] {
    return this.current ? this.chosenIn(this.current) : [];
  }

  /** The file that is picked; null where it is none, or a folder, or more than one. */
  get chosenFile(): Chosen | null {
    const [first, ...others] = this.chosen;
    return first && others.length === 0 && !first.isFolder ? first : null;
  }

  /** What is in a folder now, also what is not shown: names, and whether each is a folder. */
  async namesIn(folder: string): Promise<ReadonlyMap<string, boolean>> {
    const { content } = await this.#contents.get(folder, { content: true });
    const found = content as readonly Contents.IModel[];
    return new Map(found.map(({ name, type }) => [name, type === 'directory']));
  }

  /** Whether the server may write into a folder. */
  async isWritable(folder: string): Promise<boolean> {
    return (await this.#contents.get(folder, { content: false })).writable;
  }

  /** Make a folder whose parent is there. */
  async makeFolder(path: string): Promise<void> {
    await this.#contents.save(path, { type: 'directory' });
  }

  /** Give the keyboard back to the files once a dialog has gone that a menu of theirs had opened. */
  takeKeyboard(): void {
    // A menu is closed before its dialog opens, so that JupyterLab itself knows of no place.
    if (document.activeElement !== document.body) return;
    const list = this.current?.node.querySelector<HTMLElement>('.jp-DirListing');
    (list?.querySelector<HTMLElement>('[tabindex="0"]') ?? list)?.focus();
  }

  /** Look anew at a folder, wherever it is shown. */
  refresh(folder: string): void {
    this.#factory.tracker.forEach((browser) => {
      if (this.folderOf(browser) === folder) void browser.model.refresh();
    });
  }

  /** Do something with every browser there is and will be. */
  forEach(use: (browser: FileBrowser) => void): void {
    this.#factory.tracker.forEach(use);
    this.#factory.tracker.widgetAdded.connect((_, browser) => use(browser));
  }

  #isOwn(path: string): boolean {
    return OWN_DRIVES.has(this.#contents.driveName(path));
  }
}
