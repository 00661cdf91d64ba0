import { afterEach, describe, expect, it, vi } from 'vitest';
import { LocalFile } from '../src/save/local_file';
import { Watchdog } from '../src/save/watchdog';
import { newEntry, randomId } from '../src/upload/entry';
import { exclusively, heldElsewhere, holdUntil } from '../src/upload/locks';

afterEach(() => vi.useRealTimers());

describe('the file of a save', () => {
  async function handleOf(text: string): Promise<FileSystemFileHandle> {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle(randomId(), { create: true });
    const writable = await handle.createWritable();
    await writable.write(text);
    await writable.close();
    return handle;
  }
  const textOf = async (handle: FileSystemFileHandle) => (await handle.getFile()).text();
  const bytes = (text: string) => new TextEncoder().encode(text);

  it('has what was committed, and nothing of what was not', async () => {
    const handle = await handleOf('');
    const file = new LocalFile(handle);
    await file.write(bytes('abc'));
    expect([file.offset, file.committed, file.isOpen]).toEqual([3, 0, true]);
    expect(await textOf(handle)).toBe('');
    await file.commit();
    await file.write(bytes('def'));
    await file.discard();
    expect([file.offset, file.committed, file.isOpen]).toEqual([3, 3, false]);
    expect(await textOf(handle)).toBe('abc');
  });

  it('goes on behind what is there, and cuts what is beyond', async () => {
    const handle = await handleOf('abcdef');
    const file = new LocalFile(handle);
    file.startAt(4);
    await file.write(bytes('X'));
    await file.commit();
    expect(await textOf(handle)).toBe('abcdX');
    await file.write(bytes('YZ'));
    await file.commit();
    expect(await textOf(handle)).toBe('abcdXYZ');
  });

  it('is another one from the first byte on, or none at all', async () => {
    const handle = await handleOf('abcdef');
    const file = new LocalFile(handle);
    file.startAt(0);
    await file.write(bytes('new'));
    await file.commit();
    expect(await textOf(handle)).toBe('new');
    await file.empty();
    expect([await textOf(handle), file.offset]).toEqual(['', 0]);
  });

  it('keeps the order of blocks that are longer than what it writes at once', async () => {
    const handle = await handleOf('');
    const file = new LocalFile(handle);
    const piece = Uint8Array.from({ length: 3_000_001 }, (_, at) => at % 251);
    for (let round = 0; round < 3; round += 1) await file.write(piece);
    await file.commit();
    const found = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    expect(found.length).toBe(3 * piece.length);
    expect(found.every((byte, at) => byte === (at % piece.length) % 251)).toBe(true);
  });
});

describe('the watchdog of a request', () => {
  it('ends it after a silence, and not while something comes', () => {
    vi.useFakeTimers();
    const watch = new Watchdog(new AbortController().signal);
    for (let round = 0; round < 3; round += 1) {
      vi.advanceTimersByTime(29_000);
      watch.alive();
    }
    expect(watch.signal.aborted).toBe(false);
    vi.advanceTimersByTime(30_000);
    expect(watch.signal.reason).toBeInstanceOf(TypeError);
  });

  it('ends it with the transfer, for the same reason', () => {
    const transfer = new AbortController();
    const watch = new Watchdog(transfer.signal);
    transfer.abort('pause');
    expect(watch.signal.reason).toBe('pause');
    watch.end();
    const over = new Watchdog(new AbortController().signal);
    over.end();
    expect(over.signal.aborted).toBe(true);
  });
});

describe('what is kept of an upload', () => {
  it('begins with nothing sent, and with an id of its own', () => {
    const file = new File(['abc'], 'a.csv', { lastModified: 5 });
    const aim = { folder: 'data', target: 'b.csv', overwrite: true, handle: null };
    const entry = newEntry(file, aim, '/base/');
    expect(entry).toMatchObject({ ...aim, name: 'a.csv', size: 3, modified: 5, base: '/base/' });
    expect(entry).toMatchObject({ location: null, offset: 0, prefix: '', paused: false });
    expect(entry.id).toMatch(/^[0-9a-f]{32}$/);
    expect(newEntry(file, aim, '/base/').id).not.toBe(entry.id);
  });
});

describe('the lock of an upload', () => {
  it('is had by one at a time, and seen by the others', async () => {
    const id = randomId();
    let end = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const first = exclusively(id, () => over);
    await vi.waitFor(async () => expect((await heldElsewhere())(id)).toBe(true));
    const second = vi.fn(async () => {});
    expect(await exclusively(id, second)).toBe(false);
    expect(second).not.toHaveBeenCalled();
    end();
    expect(await first).toBe(true);
    expect((await heldElsewhere())(id)).toBe(false);
  });

  it('of a folder is held until it is over', async () => {
    const id = randomId();
    const living = new AbortController();
    holdUntil(living.signal, id);
    await vi.waitFor(async () => expect((await heldElsewhere())(id)).toBe(true));
    living.abort();
    await vi.waitFor(async () => expect((await heldElsewhere())(id)).toBe(false));
  });
});
