import type { FileBrowser } from '@jupyterlab/filebrowser';
import { ServerConnection } from '@jupyterlab/services';
import type { ITranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { EXPORT_WORDS } from '../src/exporting/words';
import { CHINESE, ENGLISH, errorText } from '../src/i18n';
import { LAB_CHINESE, LAB_ENGLISH, withConversions } from '../src/i18n/lab';
import { exportAs } from '../src/lab/export_as';
import { files } from '../src/lab/files';
import { exportsIcon } from '../src/lab/icon';
import { Place } from '../src/lab/place';
import { labServer } from '../src/lab/server';
import { type Item, placeBelowPath, TransferList } from '../src/lab/transfer_list';
import { uploads } from '../src/lab/uploads';
import { languageOf, messagesOf, wordsOf } from '../src/lab/words';
import { NEW_TRANSFER, type TransferState } from '../src/transfer';
import { type Browser, press, said, world } from './lab_world';

const asBrowser = (browser: Browser) => browser as unknown as FileBrowser;

afterEach(() => {
  for (const node of document.querySelectorAll('.lm-Widget')) node.remove();
});

describe('the place in the file browser', () => {
  it('is one of the server, and of no other drive', async () => {
    const { app, factory, browser } = world(`${inject('origin')}/404/none/`);
    const place = new Place(app.serviceManager.contents, factory, null);
    expect(place.folderOf(asBrowser(browser))).toBe('data');
    browser.model.path = 'RTC:shared';
    expect(place.folderOf(asBrowser(browser))).toBe('shared');
    browser.model.path = 's3:bucket';
    expect(place.folderOf(asBrowser(browser))).toBeNull();
    browser.pick('a.csv', 'folder');
    browser.items.push({ name: 'b', path: 's3:b', type: 'file' });
    expect(place.chosenIn(asBrowser(browser))).toEqual([
      { name: 'a.csv', path: 'data/a.csv', isFolder: false },
      { name: 'folder', path: 'data/folder', isFolder: true },
    ]);
    expect(place.chosen).toEqual(place.chosenIn(asBrowser(browser)));
    expect(await place.namesIn('data')).toEqual(new Map([['taken.csv', false]]));
  });

  it.each([
    [['a.csv'], 'data/a.csv'],
    [['folder'], undefined],
    [['a.csv', 'b.csv'], undefined],
    [[], undefined],
  ])('has one file picked, or none: %j', (names, path) => {
    const { app, factory, browser } = world(`${inject('origin')}/404/none/`);
    browser.pick(...names);
    const place = new Place(app.serviceManager.contents, factory, null);
    expect(place.chosenFile?.path).toBe(path);
  });

  it('is looked at anew where it is shown', () => {
    const { app, factory, browser } = world(`${inject('origin')}/404/none/`);
    const place = new Place(app.serviceManager.contents, factory, null);
    place.refresh('elsewhere');
    expect(browser.model.refresh).not.toHaveBeenCalled();
    place.refresh('data');
    expect(browser.model.refresh).toHaveBeenCalledOnce();
  });
});

describe('the server of JupyterLab', () => {
  it('is below its base, with its socket, and asked as JupyterLab asks', async () => {
    const settings = ServerConnection.makeSettings({
      baseUrl: `${inject('origin')}/200/job/`,
      wsUrl: 'wss://host/user/a/',
      token: 'secret',
    });
    const server = labServer(settings);
    expect(server.base).toBe(`${inject('origin')}/200/job/progresswidget/`);
    expect(server.socketUrl).toBe('wss://host/user/a/progresswidget/ws');
    const answer = await server.request(`${server.base}api/jobs`, {});
    const seen = JSON.parse(answer.headers.get('x-seen') ?? '{}');
    expect(seen.authorization).toBe('token secret');
  });
});

describe('the words of JupyterLab', () => {
  const translator = (code: string, say: (text: string) => string) =>
    ({ languageCode: code, load: () => ({ __: say }) }) as unknown as ITranslator;

  it('are ours in Chinese, and English without a translator', () => {
    const chinese = wordsOf(translator('zh_CN', (text) => text));
    const messages = withConversions(CHINESE, LAB_CHINESE);
    expect([chinese.messages, chinese.words]).toEqual([messages, LAB_CHINESE]);
    expect(chinese.exporting).toBe(EXPORT_WORDS.zh);
    const english = messagesOf(translator('en', (text) => text));
    expect(english).toEqual(withConversions(ENGLISH, LAB_ENGLISH));
    expect(languageOf(null)).toBeNull();
  });

  it('say in the language of the page what ends a conversion, and what the engine says', () => {
    const messages = messagesOf(translator('zh_CN', (text) => text));
    const error = (code: string) => errorText(messages, { code, message: 'Too much.', hint: '' });
    expect(error('memory-limit')).toBe(LAB_CHINESE.conversionError['memory-limit']);
    expect(error('bad-option')).toEqual({
      message: '某个选项不存在，或者它的值不被接受。',
      hint: 'Too much.',
    });
    expect(error('no-such-code').message).toBe('Too much.');
  });

  it('are those of a language pack that knows ours', () => {
    const { messages, words, exporting } = wordsOf(translator('fr_FR', (text) => `«${text}»`));
    expect(messages.locale).toBe('fr-FR');
    expect(words.files.link).toBe(`«${LAB_ENGLISH.files.link}»`);
    expect(exporting.command).toBe(`«${EXPORT_WORDS.en?.command}»`);
  });
});

describe('the icon of exports', () => {
  it('takes its colours from the theme', () => {
    const element = exportsIcon.element();
    expect(element.querySelectorAll('path.jp-icon3')).toHaveLength(2);
  });
});

describe('the list of transfers', () => {
  it('has a row for each, and takes no room without any', () => {
    const states = new Map<string, (state: TransferState | null) => void>();
    const item = (name: string): Item => ({
      name,
      direction: 'upload',
      follow: (listener) => void states.set(name, listener),
      pause: vi.fn(),
      resume: vi.fn(),
      cancel: vi.fn(),
      dismiss: vi.fn(),
      again: vi.fn(),
    });
    let all: Item[] = [];
    let changed = () => {};
    const list = new TransferList(
      {
        get all() {
          return all;
        },
        follow: (listener) => {
          changed = listener;
          listener();
        },
      },
      'Uploads',
      ENGLISH,
    );
    Widget.attach(list, document.body);
    expect(list.isHidden).toBe(true);
    const [first, second] = [item('a.bin'), item('b.bin')];
    all = [first, second];
    changed();
    states.get('a.bin')?.({ ...NEW_TRANSFER, status: 'running', size: 100, offset: 50 });
    const rows = () => [...list.node.querySelectorAll<HTMLElement>('.pw-transfer')];
    expect([list.isHidden, rows().length]).toEqual([false, 2]);
    expect(rows()[0]?.querySelector('[role=progressbar]')?.ariaValueNow).toBe('50');
    rows()[0]?.querySelector<HTMLButtonElement>('[data-transfer=pause]')?.click();
    expect(first.pause).toHaveBeenCalledOnce();
    all = [second];
    changed();
    expect(rows()).toHaveLength(1);
    all = [];
    changed();
    expect(list.isHidden).toBe(true);
    list.dispose();
  });

  it('is put below the path, and nowhere where there is none', () => {
    const { browser } = world(`${inject('origin')}/404/none/`);
    const list = new Widget();
    expect(placeBelowPath(browser, list)).toBe(true);
    expect(browser.widgets.indexOf(list)).toBe(1);
    expect(placeBelowPath(new Widget(), new Widget())).toBe(false);
  });
});

describe('the menu of the file browser', () => {
  const COMMANDS = ['download', 'archive', 'link', 'export-as'];

  function menu(address: string) {
    const all = world(address);
    files.activate(all.app, all.factory, null, null, null);
    exportAs.activate(all.app, all.factory, null, null, null);
    const visible = () =>
      COMMANDS.filter((name) => all.commands.isVisible(`progresswidget:${name}`));
    return { ...all, visible };
  }

  it.each([
    [[], []],
    [['a.csv'], ['download', 'link', 'export-as']],
    [['a.txt'], ['download', 'link']],
    [['folder'], ['archive']],
    [['a.csv', 'b.csv'], ['archive']],
  ])('offers for %j what can be done with it', (picked, offered) => {
    const { browser, visible } = menu(`${inject('origin')}/404/none/`);
    browser.pick(...picked);
    expect(visible()).toEqual(offered);
  });

  it('offers nothing for what is on another drive', () => {
    const { browser, visible } = menu(`${inject('origin')}/404/none/`);
    browser.items = [{ name: 'a.csv', path: 's3:a.csv', type: 'file' }];
    expect(visible()).toEqual([]);
  });

  it('says in words why a file cannot be had', async () => {
    const { browser, commands } = menu(`${inject('origin')}/404/none/`);
    browser.pick('a.csv');
    const done = commands.execute('progresswidget:link');
    expect(await said()).toBe(LAB_ENGLISH.files.failure.missing);
    await press(LAB_ENGLISH.files.close);
    await done;
  });

  it('says in words why nothing can be converted', async () => {
    const { browser, commands } = menu(`${inject('origin')}/403/none/`);
    browser.pick('a.csv');
    const done = commands.execute('progresswidget:export-as');
    expect(await said()).toBe(EXPORT_WORDS.en?.failure.forbidden);
    await press(EXPORT_WORDS.en?.close ?? '');
    await done;
  });
});

describe('a drop into the file browser', () => {
  function drop(browser: Browser, ...sizes: number[]): boolean {
    const data = new DataTransfer();
    for (const [at, size] of sizes.entries()) {
      data.items.add(new File([new Uint8Array(size)], `${at}.bin`));
    }
    const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
    return !browser.listing.node.dispatchEvent(event);
  }

  it('is ours where a file is large, and then all of it', async () => {
    const { app, factory, browser } = world(`${inject('origin')}/404/none/`);
    uploads.activate(app, factory, null, null, null, null);
    expect(drop(browser, 10, 20)).toBe(false);
    browser.listing.addClass('jp-mod-native-drop');
    expect(drop(browser, 10, 15_000_000)).toBe(true);
    expect(browser.listing.hasClass('jp-mod-native-drop')).toBe(false);
    await vi.waitFor(() => {
      expect(browser.node.querySelectorAll('.pw-transfer')).toHaveLength(2);
    });
  });

  it('on another drive is JupyterLab’s', () => {
    const { app, factory, browser, commands } = world(`${inject('origin')}/404/none/`);
    uploads.activate(app, factory, null, null, null, null);
    browser.model.path = 's3:bucket';
    expect(drop(browser, 15_000_000)).toBe(false);
    expect(commands.isEnabled('progresswidget:upload')).toBe(false);
    browser.model.path = 'data';
    expect(commands.isEnabled('progresswidget:upload')).toBe(true);
  });

  it('comes to nothing where JupyterLab’s own setting says so', () => {
    const { app, factory, browser, commands } = world(`${inject('origin')}/404/none/`);
    uploads.activate(app, factory, null, null, null, null);
    browser.allowFileUploads = false;
    expect(drop(browser, 15_000_000)).toBe(false);
    expect(commands.isEnabled('progresswidget:upload')).toBe(false);
  });

  it('into a folder that nobody may write to is refused in words', async () => {
    const { app, factory, browser, folder } = world(`${inject('origin')}/404/closed/`);
    uploads.activate(app, factory, null, null, null, null);
    folder.writable = false;
    expect(drop(browser, 15_000_000)).toBe(true);
    expect(await said()).toContain('may not write into this folder');
    expect(browser.node.querySelectorAll('.pw-transfer')).toHaveLength(0);
    await press('Close');
  });
});
