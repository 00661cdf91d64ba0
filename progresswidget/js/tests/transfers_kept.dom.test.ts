import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { Backoff } from '../src/backoff';
import { amend, drop, keep, recall, recallAll } from '../src/kept';
import { drive } from '../src/save/drive';
import { runSave } from '../src/save/engine';
import {
  canSave,
  isPermitted,
  pickFiles,
  removeFile,
  requestAccess,
} from '../src/save/file_access';
import { FileSaves } from '../src/save/file_saves';
import { startSave } from '../src/save/host';
import { UNKNOWN_REMOTE } from '../src/save/plan';
import { type Save, saveAt } from '../src/save/saves';
import type { TransferState } from '../src/transfer';
import { markOf, removeUpload, runUpload } from '../src/upload/engine';
import type { UploadHost } from '../src/upload/host';
import { Upload } from '../src/upload/upload';
import { Uploads } from '../src/upload/uploads';
import { content, fileToSend, isContent, Tus } from './tus_model';

const SIZE = 300_000;
const LONG = { timeout: 30_000 };

afterEach(async () => {
  vi.unstubAllGlobals();
  for (const { id } of await recallAll('saves')) await drop('saves', id);
  for (const { id } of await recallAll('uploads')) await drop('uploads', id);
});

async function fileOf(name: string): Promise<FileSystemFileHandle> {
  const root = await navigator.storage.getDirectory();
  return await root.getFileHandle(name, { create: true });
}

async function isWhole(handle: FileSystemFileHandle): Promise<boolean> {
  const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
  return bytes.length === SIZE && bytes.every((byte, at) => byte === at % 251);
}

describe('what outlives the page', () => {
  const entry = (id: string, created: number, updated = Date.now()) => ({ id, created, updated });

  it('is found again, the oldest first', async () => {
    await keep('saves', entry('b', 2));
    await keep('saves', entry('a', 1));
    expect((await recallAll('saves')).map(({ id }) => id)).toEqual(['a', 'b']);
    expect(await recall('saves', 'b')).toMatchObject({ created: 2 });
    expect(await recallAll('uploads')).toEqual([]);
    await drop('saves', 'b');
    expect(await recall('saves', 'b')).toBeNull();
  });

  it('is changed while it is there, and not brought back by that', async () => {
    await keep('saves', entry('a', 1, 5));
    await amend('saves', 'a', { offset: 7 });
    const kept = await recall<{ id: string; created: number; updated: number }>('saves', 'a');
    expect(kept).toMatchObject({ offset: 7, created: 1 });
    expect(kept?.updated).toBeGreaterThan(5);
    await drop('saves', 'a');
    await amend('saves', 'a', { offset: 9 });
    expect(await recall('saves', 'a')).toBeNull();
  });

  it('is dropped when nobody has come back for it', async () => {
    await keep('saves', entry('old', 1, Date.now() - 31 * 24 * 3_600_000));
    expect(await recallAll('saves')).toEqual([]);
    expect(await recall('saves', 'old')).toBeNull();
  });
});

describe('files of the person', () => {
  it('can be saved to where the browser has a picker', () => {
    vi.stubGlobal('showSaveFilePicker', async () => fileOf('x'));
    expect(canSave()).toBe(true);
    vi.stubGlobal('showSaveFilePicker', undefined);
    expect(canSave()).toBe(false);
    vi.stubGlobal('showOpenFilePicker', undefined);
    return expect(pickFiles(true)).resolves.toBeUndefined();
  });

  it('are asked for only where the browser wants that, and by a click', async () => {
    const asked = vi.fn(async () => 'denied' as PermissionState);
    const file = (state: PermissionState) =>
      ({ queryPermission: async () => state, requestPermission: asked }) as never;
    expect(await isPermitted(file('prompt'), 'read')).toBe(false);
    expect(await requestAccess(file('granted'), 'readwrite')).toBe(true);
    expect(asked).not.toHaveBeenCalled();
    expect(await requestAccess(file('prompt'), 'readwrite')).toBe(false);
    expect(asked).toHaveBeenCalledExactlyOnceWith({ mode: 'readwrite' });
  });

  it('are taken away, and where that cannot be nothing is said', async () => {
    const handle = await fileOf('unwanted.bin');
    await removeFile(handle);
    await expect(handle.getFile()).rejects.toThrow(/not be found/);
    await removeFile(handle);
  });
});

describe('a save', () => {
  async function begin(kind: 'file' | 'slow', name: string) {
    const handle = await fileOf(name);
    vi.stubGlobal('showSaveFilePicker', async () => handle);
    const url = `${inject('origin')}/${kind}/${name}`;
    const save = saveAt(url, name);
    const states: TransferState[] = [];
    save.follow((state) => state && states.push(state), new AbortController().signal);
    await save.begin();
    return { handle, save, states, url };
  }
  const until = (save: Save, status: string) =>
    vi.waitFor(() => expect(save.state?.status).toBe(status), LONG);

  it('is one for the page, and arrives whole and verified', async () => {
    const { handle, save, states, url } = await begin('file', 'whole.bin');
    expect(saveAt(url, 'another')).toBe(save);
    await until(save, 'done');
    expect(save.state).toMatchObject({ offset: SIZE, verified: true });
    expect(await isWhole(handle)).toBe(true);
    const offsets = states.map(({ offset }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    // What has arrived is nothing to go on with.
    expect(await recall('saves', url)).toBeNull();
    await save.dismiss();
    expect(save.state).toBeNull();
  });

  it('that is paused keeps what it has, and goes on there', async () => {
    const { handle, save, url } = await begin('slow', 'paused.bin');
    await vi.waitFor(() => expect(save.state?.offset).toBeGreaterThan(0), LONG);
    await save.pause();
    await until(save, 'paused');
    const { size } = await handle.getFile();
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThan(SIZE);
    expect(await recall('saves', url)).toMatchObject({ offset: size, paused: true });
    await save.resume();
    await until(save, 'done');
    expect(await isWhole(handle)).toBe(true);
    await save.dismiss();
  });

  it('that is cancelled leaves no file', async () => {
    const { handle, save } = await begin('slow', 'cancelled.bin');
    await vi.waitFor(() => expect(save.state?.offset).toBeGreaterThan(0), LONG);
    await save.cancel();
    expect(save.state).toBeNull();
    await expect(handle.getFile()).rejects.toThrow(/not be found/);
  });

  it('of an earlier page is shown again among those of the file browser', async () => {
    const base = `${inject('origin')}/slow/`;
    const url = `${base}recalled.bin`;
    const handle = await fileOf('recalled.bin');
    const times = { created: 1, updated: Date.now() };
    const save = { id: url, url, name: 'recalled.bin', handle, paused: true, ...times };
    await keep('saves', { ...save, remote: UNKNOWN_REMOTE, offset: 0 } as never);
    const saves = new FileSaves(base);
    const changed = vi.fn();
    saves.follow(changed, new AbortController().signal);
    expect(saves.all).toEqual([]);
    await saves.recall();
    await vi.waitFor(() => expect(saves.all.map(({ name }) => name)).toEqual(['recalled.bin']));
    expect(saves.all[0]?.state?.status).toBe('paused');
    await saves.all[0]?.dismiss();
    expect(saves.all).toEqual([]);
  });
});

describe('the engine of a save', () => {
  const job = async (url: string, name: string, offset = 0) => ({
    ...{ id: url, url, name, handle: await fileOf(name), paused: false, created: 1, updated: 1 },
    ...{ remote: { ...UNKNOWN_REMOTE, etag: offset ? '"f1"' : null }, offset },
  });
  const around = (signal = new AbortController().signal) => ({
    ...{ signal, backoff: new Backoff({ random: () => 0, tries: 2 }), headers: {} },
    ...{ report: vi.fn(), keep: vi.fn(async () => {}), rest: async () => {} },
    takeHint: () => false,
  });

  it('reads again what is there, and asks for the rest alone', async () => {
    const entry = await job(`${inject('origin')}/file/again.bin`, 'again.bin', 100_000);
    const writable = await entry.handle.createWritable();
    await writable.write(Uint8Array.from({ length: 100_000 }, (_, at) => at % 251));
    await writable.close();
    const surroundings = around();
    const end = await runSave(entry, surroundings);
    expect(end).toMatchObject({ status: 'done', verified: true });
    expect(await isWhole(entry.handle)).toBe(true);
  });

  it('finds a file that somebody has changed damaged, and empties it', async () => {
    const entry = await job(`${inject('origin')}/file/changed.bin`, 'changed.bin', 1_000);
    const writable = await entry.handle.createWritable();
    await writable.write(new Uint8Array(1_000).fill(255));
    await writable.close();
    expect(await runSave(entry, around())).toMatchObject({ status: 'failed', failure: 'damaged' });
    expect((await entry.handle.getFile()).size).toBe(0);
  });

  it.each([
    ['/404/none/x', 'missing'],
    ['/401/none/x', 'login'],
    ['/503/none/x', 'notReady'],
  ])('says why not: %s', async (path, failure) => {
    const entry = await job(`${inject('origin')}${path}`, 'refused.bin');
    expect(await runSave(entry, around())).toMatchObject({ status: 'failed', failure });
  });

  it('says that nobody answers after its tries', async () => {
    const entry = await job(`${inject('deadOrigin')}/file/x`, 'dead.bin');
    const surroundings = around();
    const end = await runSave(entry, surroundings);
    expect(end).toMatchObject({ status: 'failed', failure: 'unreachable' });
    const waits = surroundings.report.mock.calls.filter(([{ status }]) => status === 'waiting');
    expect(waits).toHaveLength(2);
  });

  it('runs in one place at a time', async () => {
    const entry = await job(`${inject('origin')}/slow/once.bin`, 'once.bin');
    const first = drive(entry, {}, () => {});
    const told = await new Promise<TransferState>((resolve) => {
      const second = drive(entry, {}, (state) => {
        second.end();
        resolve(state);
      });
    });
    expect(told).toMatchObject({ status: 'failed', failure: 'elsewhere' });
    first.end();
  });

  it('runs in the page where workers are forbidden', async () => {
    const entry = await job(`${inject('origin')}/file/here.bin`, 'here.bin');
    vi.stubGlobal(
      'Worker',
      class {
        constructor() {
          throw new DOMException('no workers', 'SecurityError');
        }
      },
    );
    const states: TransferState[] = [];
    const driver = startSave(entry, (state) => void states.push(state));
    await vi.waitFor(() => expect(states.at(-1)?.status).toBe('done'), LONG);
    expect(await isWhole(entry.handle)).toBe(true);
    driver.end();
  });
});

describe('the engine of uploads', () => {
  const job = (location: string | null = null) => ({
    ...{ id: 'wish', location, folder: 'data', target: 'big.bin', overwrite: false },
  });
  const around = ({ server }: Tus, signal = new AbortController().signal) => ({
    ...{ server, signal, backoff: new Backoff({ random: () => 0 }) },
    ...{ report: vi.fn(), keep: vi.fn(async () => {}), rest: async () => {} },
  });

  it('sends the file whole, to where it belongs', async () => {
    const tus = new Tus();
    expect(await runUpload(job(), fileToSend(), around(tus))).toMatchObject({ status: 'done' });
    const [stored] = [...tus.stored.values()];
    expect(isContent(stored?.bytes)).toBe(true);
    const metadata = Object.fromEntries(
      (stored?.metadata ?? '').split(',').map((pair) => {
        const [key = '', value = ''] = pair.split(' ');
        return [key, atob(value)];
      }),
    );
    expect(metadata).toMatchObject({ filename: 'big.bin', path: 'data' });
  });

  it('goes on where the server is, after it was away', async () => {
    const tus = new Tus();
    const surroundings = around(tus);
    tus.failures.push(503);
    expect(await runUpload(job(), fileToSend(), surroundings)).toMatchObject({ status: 'done' });
    const statuses = surroundings.report.mock.calls.map(([{ status }]) => status);
    expect(statuses).toContain('waiting');
    expect(isContent([...tus.stored.values()][0]?.bytes)).toBe(true);
  });

  it('begins anew where the server knows it no more', async () => {
    const tus = new Tus();
    const lost = `${tus.server.base}uploads/gone`;
    expect(await runUpload(job(lost), fileToSend(), around(tus))).toMatchObject({ status: 'done' });
    expect(tus.seen.slice(0, 2)).toEqual(['HEAD', 'POST']);
  });

  it.each([
    [401, 'login'],
    [413, 'tooLarge'],
    [507, 'serverFull'],
  ])('says why not: %i', async (status, failure) => {
    const tus = new Tus();
    tus.failures.push(status);
    expect(await runUpload(job(), fileToSend(), around(tus))).toMatchObject({
      status: 'failed',
      failure,
    });
  });

  it('tells files apart by their first bytes as well, and drops what it has begun', async () => {
    const other = new File([content.slice(1)], 'big.bin', { lastModified: 5 });
    const [mark, twin, stranger] = await Promise.all(
      [fileToSend(), fileToSend(), other].map((file) => markOf(file)),
    );
    expect(mark).toEqual(twin);
    expect(mark?.prefix).not.toBe(stranger?.prefix);
    const tus = new Tus();
    await runUpload(job(), fileToSend(), around(tus));
    await removeUpload(tus.server, `${tus.server.base}uploads/0`);
    expect(tus.stored.size).toBe(0);
  });
});

describe('the uploads of a page', () => {
  function uploads(answer: 'replace' | 'both' | null = null) {
    const tus = new Tus();
    const host = {
      server: tus.server,
      pickAgain: async () => null,
      askAboutTaken: vi.fn(async () => answer),
      askAboutFolder: async () => answer,
      pickFolderAgain: async () => null,
      namesIn: async () => new Map([['there.bin', false]]),
      makeFolder: async () => {},
      arrived: vi.fn(),
    } satisfies UploadHost;
    return { tus, host, all: new Uploads(host) };
  }
  const picked = (name: string) => ({ file: fileToSend(name), handle: null });
  const done = (upload: Uploads['all'][number] | undefined) =>
    vi.waitFor(() => expect(upload?.state.status).toBe('done'), LONG);

  it('send files two at a time, and say where they have arrived', async () => {
    const { tus, host, all } = uploads();
    let most = 0;
    all.follow(() => {
      most = Math.max(most, all.all.filter((one) => one instanceof Upload && one.isRunning).length);
    }, new AbortController().signal);
    await all.add(['a.bin', 'b.bin', 'c.bin'].map(picked), 'data');
    for (const upload of [...all.all]) await done(upload);
    expect(most).toBeLessThanOrEqual(2);
    expect(tus.stored.size).toBe(3);
    expect(host.arrived.mock.calls).toEqual([['data'], ['data'], ['data']]);
    expect(await recallAll('uploads')).toEqual([]);
  });

  it('ask about a name that is taken, and send it under another', async () => {
    const { host, all } = uploads('both');
    await all.add([picked('there.bin')], 'data');
    expect(host.askAboutTaken).toHaveBeenCalledExactlyOnceWith('there.bin');
    expect(all.all.map(({ name }) => name)).toEqual(['there (1).bin']);
    await done(all.all[0]);
  });

  it('send nothing where the person thinks better of it', async () => {
    const { tus, all } = uploads(null);
    await all.add([picked('there.bin')], 'data');
    expect([all.all.length, tus.seen]).toEqual([0, []]);
  });

  it('of an earlier page wait for their file where it must be picked again', async () => {
    const { tus, all } = uploads();
    const mark = await markOf(fileToSend());
    const entry = { ...mark, id: 'e', base: tus.server.base, location: null, folder: 'data' };
    const times = { offset: 7, paused: false, created: 1, updated: Date.now() };
    const rest = { target: 'big.bin', overwrite: false, handle: null, ...times };
    await keep('uploads', { ...entry, ...rest } as never);
    await all.recall();
    expect(all.all.map(({ state }) => [state.status, state.failure, state.offset])).toEqual([
      ['paused', 'notPicked', 7],
    ]);
  });
});
