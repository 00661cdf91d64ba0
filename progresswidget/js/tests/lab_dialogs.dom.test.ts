import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { EXPORT_WORDS, type ExportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';
import { LAB_ENGLISH } from '../src/i18n/lab';
import { askAboutTaken } from '../src/lab/ask_taken';
import { choose } from '../src/lab/choose';
import { clearFinished } from '../src/lab/clear';
import { askFor, ExportBody, firstChoice, type Question } from '../src/lab/export_dialog';
import type { IExports } from '../src/lab/exports';
import { giveLink } from '../src/lab/link_dialog';
import { say } from '../src/lab/say';
import { pageServer, type Server } from '../src/server';
import { openDialog, press, said } from './lab_world';
import { DONE, FAILED, record } from './records';

const WORDS = LAB_ENGLISH;
const EXPORTING = EXPORT_WORDS.en as ExportWords;

afterEach(() => {
  for (const node of document.querySelectorAll('.lm-Widget')) node.remove();
});

describe('the question about a name that is taken', () => {
  it.each([
    [WORDS.upload.replace, 'replace'],
    [WORDS.upload.both, 'both'],
    [WORDS.upload.cancel, null],
  ])('%s', async (label, answer) => {
    const asked = askAboutTaken('a.csv', WORDS);
    expect(await said()).toBe(WORDS.upload.replaceBody('a.csv'));
    await press(label);
    expect(await asked).toBe(answer);
  });
});

it('says one thing, until it is closed', async () => {
  const over = say('It failed', 'The disk is full.', 'Close');
  expect((await openDialog()).textContent).toContain('It failed');
  expect(await said()).toBe('The disk is full.');
  await press('Close');
  await over;
});

describe('files to upload', () => {
  it('are picked with handles where the browser has them', async () => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle('picked.bin', { create: true });
    vi.stubGlobal('showOpenFilePicker', async () => [handle]);
    try {
      const [first] = await choose(true);
      expect([first?.file.name, first?.handle]).toEqual(['picked.bin', handle]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('are none where the person thinks better of it', async () => {
    vi.stubGlobal('showOpenFilePicker', async () => {
      throw new DOMException('no', 'AbortError');
    });
    try {
      expect(await choose(false)).toEqual([]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('clearing what has ended', () => {
  let asked: { url: string; method: string | undefined }[];
  let removed: string[];
  let status: number;

  function exportsOf(...records: (typeof DONE)[]): IExports {
    const all = new Map(records.map((one) => [one.taskId, one]));
    const server: Server = {
      ...pageServer('/', location.origin),
      request: async (url, init) => {
        asked.push({ url, method: init.method });
        return Response.json({ removed: [DONE.taskId, 7] }, { status });
      },
    };
    const feed = {
      records: {
        values: () => all.values(),
        remove: (taskId: string) => void removed.push(taskId),
      },
    };
    return { server, messages: ENGLISH, words: WORDS, feed } as unknown as IExports;
  }

  beforeEach(() => {
    asked = [];
    removed = [];
    status = 200;
  });

  it('asks nothing where nothing has ended', async () => {
    expect(await clearFinished(exportsOf(record()), null)).toBe(false);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
  });

  it('leaves the parts of files, unless the person wants them gone', async () => {
    const use = { leftovers: 5_000_000 } as never;
    const done = clearFinished(exportsOf(FAILED), use);
    const box = (await openDialog()).querySelector<HTMLInputElement>('input[type=checkbox]');
    expect(box?.checked).toBe(false);
    box?.click();
    await press(WORDS.clear);
    expect(await done).toBe(true);
    expect(asked[0]?.method).toBe('DELETE');
    expect(new URL(asked[0]?.url ?? '').searchParams.get('files')).toBe('leftovers');
    expect(removed).toEqual([DONE.taskId]);
  });

  it('does not speak of parts where there are none', async () => {
    const done = clearFinished(exportsOf(DONE), { leftovers: 5_000_000 } as never);
    expect((await openDialog()).querySelector('input')).toBeNull();
    await press(WORDS.cancel);
    expect(await done).toBe(false);
    expect(asked).toEqual([]);
  });

  it.each([
    [403, 'forbidden'],
    [500, 'refused'],
  ] as const)('says in words why not: %i', async (answer, key) => {
    status = answer;
    const done = clearFinished(exportsOf(DONE), null);
    await press(WORDS.clear);
    expect(await said()).toBe(ENGLISH.failure[key]);
    await press(WORDS.close);
    await done;
    expect(removed).toEqual([]);
  });
});

describe('the dialog of a link', () => {
  const file = { name: 'c.csv', path: 'data/c.csv', isFolder: false };
  const said_ = { messages: ENGLISH, words: WORDS };

  function serverOf(links: object[], longest = 3_600): { server: Server; seen: string[] } {
    const seen: string[] = [];
    const plain = pageServer('/', inject('origin'));
    const request = async (url: string, init: RequestInit) => {
      seen.push(`${init.method ?? 'GET'} ${new URL(url).search} ${init.body ?? ''}`.trim());
      if (init.method === 'DELETE') return new Response(null, { status: 204 });
      if (init.method === 'POST') {
        return Response.json({ id: 'b'.repeat(32), expires: 2e12, url: '/links/t/c.csv' });
      }
      return Response.json({ longest, links });
    };
    return { server: { ...plain, request }, seen };
  }

  it('makes one for as long as is chosen, shows it, and takes it back', async () => {
    const { server, seen } = serverOf([]);
    const done = giveLink(server, file, said_);
    const select = (await openDialog()).querySelector('select');
    // No longer than the server has it.
    expect([...(select?.options ?? [])].map(({ value }) => value)).toEqual(['600', '3600']);
    expect(select?.value).toBe('3600');
    if (select) select.value = '600';
    await press(WORDS.files.copy);
    const input = (await openDialog()).querySelector('input');
    expect(input?.value).toBe(`${inject('origin')}/links/t/c.csv`);
    await press(WORDS.files.closeOne);
    await done;
    expect(seen.slice(1)).toEqual(['POST  {"expires":600}', `DELETE ?id=${'b'.repeat(32)}`]);
  });

  it('closes those that are open', async () => {
    const { server, seen } = serverOf([{ id: 'a'.repeat(32), expires: 2e12 }]);
    const done = giveLink(server, file, said_);
    await press(WORDS.files.closeAll(1));
    await done;
    expect(seen.at(-1)).toBe('DELETE');
  });

  it('is none where the server makes no links', async () => {
    const { server } = serverOf([], 0);
    await expect(giveLink(server, file, said_)).rejects.toMatchObject({ key: 'noLinks' });
  });
});

describe('the dialog of "Export As…"', () => {
  const csv = { name: 'csv', endings: ['.csv'], packings: [], missing: null, options: [] };
  const parquet = { ...csv, name: 'parquet', endings: ['.parquet'] };
  const question: Question = {
    source: 'sales.csv',
    offers: { formats: [csv, parquet], packings: [] } as never,
    words: EXPORTING,
    locale: 'en',
  };

  it('suggests another format than that of the file', () => {
    expect(firstChoice(question)).toMatchObject({ format: 'parquet', name: 'sales.parquet' });
  });

  it('keeps what was filled in while it is asked again, with what was wrong', async () => {
    const body = new ExportBody(question, firstChoice(question));
    const first = askFor(question, body, null);
    const name = (await openDialog()).querySelector<HTMLInputElement>('input[type=text]');
    if (name) {
      name.value = 'mine.parquet';
      name.dispatchEvent(new Event('input', { bubbles: true }));
    }
    await press(EXPORTING.export);
    expect(await first).toMatchObject({ name: 'mine.parquet', format: 'parquet' });
    const second = askFor(question, body, 'It is taken.');
    const dialog = await openDialog();
    expect(dialog.querySelector('[role=alert]')?.textContent).toBe('It is taken.');
    expect(dialog.querySelector<HTMLInputElement>('input[type=text]')?.value).toBe('mine.parquet');
    await press(EXPORTING.cancel);
    expect(await second).toBeNull();
  });
});
