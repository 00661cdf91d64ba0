/** As much of JupyterLab as our plugins touch: real commands and widgets, and a server of the test. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ServerConnection } from '@jupyterlab/services';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Panel, Widget } from '@lumino/widgets';
import { vi } from 'vitest';

interface Picked {
  readonly name: string;
  readonly path: string;
  readonly type: string;
}

/** A file browser by its parts that we look at. */
export class Browser extends Panel {
  readonly model = { path: 'data', refresh: vi.fn(async () => {}) };
  allowFileUploads = true;
  items: Picked[] = [];
  readonly listing = new Widget();

  constructor() {
    super();
    const crumbs = new Widget();
    crumbs.addClass('jp-FileBrowser-crumbs');
    this.listing.addClass('jp-DirListing-content');
    this.addWidget(crumbs);
    this.addWidget(this.listing);
  }

  selectedItems() {
    return this.items.values();
  }

  pick(...names: string[]): void {
    this.items = names.map((name) => ({
      name,
      path: `data/${name}`,
      type: name.includes('.') ? 'file' : 'directory',
    }));
  }
}

export interface World {
  readonly app: JupyterFrontEnd;
  readonly commands: CommandRegistry;
  readonly browser: Browser;
  readonly factory: IFileBrowserFactory;
  /** What the server says of its folder. */
  readonly folder: { writable: boolean };
  readonly shell: { add: ReturnType<typeof vi.fn>; activateById: ReturnType<typeof vi.fn> };
}

/** @param address Of the server, with the slash. */
export function world(address: string): World {
  const browser = new Browser();
  Widget.attach(browser, document.body);
  const added = new Signal<object, FileBrowser>({});
  const factory = {
    tracker: {
      currentWidget: browser,
      forEach: (use: (one: unknown) => void) => use(browser),
      widgetAdded: added,
    },
  } as unknown as IFileBrowserFactory;
  const commands = new CommandRegistry();
  const shell = { add: vi.fn(), activateById: vi.fn() };
  const folder = { writable: true };
  const contents = {
    driveName: (path: string) => (path.includes(':') ? (path.split(':')[0] ?? '') : ''),
    localPath: (path: string) => path.split(':').at(-1) ?? '',
    get: async () => ({ ...folder, content: [{ name: 'taken.csv', type: 'file' }] }),
    save: async () => ({}),
  };
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: address,
    wsUrl: address.replace('http', 'ws'),
  });
  const app = {
    commands,
    shell,
    contextMenuHitTest: () => undefined,
    serviceManager: { contents, serverSettings },
  } as unknown as JupyterFrontEnd;
  return { app, commands, browser, factory, folder, shell };
}

/** The dialog that is open, once it is. */
export async function openDialog(): Promise<HTMLElement> {
  return await vi.waitFor(() => {
    const dialog = document.querySelector<HTMLElement>('.jp-Dialog');
    if (!dialog) throw new Error('no dialog yet');
    return dialog;
  });
}

/** Press the button of the open dialog that says so, and wait until it is gone. */
export async function press(label: string): Promise<void> {
  const dialog = await openDialog();
  const buttons = [...dialog.querySelectorAll<HTMLElement>('.jp-Dialog-footer button')];
  const button = buttons.find(({ textContent }) => textContent?.trim() === label);
  if (!button) throw new Error(`no button ${label} of ${buttons.map((one) => one.textContent)}`);
  button.click();
  await vi.waitFor(() => {
    if (dialog.isConnected) throw new Error('still there');
  });
}

/** What the open dialog says besides its title and its buttons. */
export async function said(): Promise<string> {
  const dialog = await openDialog();
  return dialog.querySelector('.jp-Dialog-body')?.textContent ?? '';
}
