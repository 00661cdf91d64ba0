import { describe, expect, inject, it } from 'vitest';
import {
  archiveAddress,
  closeLinks,
  contentsAddress,
  downloadFile,
  FileFailure,
  makeLink,
  openLinks,
} from '../src/files';
import { pageServer, type Server } from '../src/server';

const there = pageServer('/user/alice/', 'https://host');
const server = (path: string) => pageServer(path, inject('origin'));
const dead = () => pageServer('/', inject('deadOrigin'));

/** Notes what a server is asked. */
function listening(path: string): { server: Server; seen: Record<string, unknown>[] } {
  const plain = server(path);
  const seen: Record<string, unknown>[] = [];
  return {
    seen,
    server: {
      ...plain,
      async request(url, init) {
        const response = await plain.request(url, init);
        seen.push(JSON.parse(response.headers.get('x-seen') ?? 'null'));
        return response;
      },
    },
  };
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FileFailure) return error.key;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('an address', () => {
  it.each([
    ['a.csv', 'contents/a.csv'],
    ['data/100%, ü?#.csv', 'contents/data/100%25%2C%20%C3%BC%3F%23.csv'],
  ])('of a file: %s', (path, address) => {
    expect(contentsAddress(there, path)).toBe(`https://host/user/alice/progresswidget/${address}`);
  });

  it('of an archive names the folder, and what is picked in it', () => {
    const url = new URL(archiveAddress(there, 'my data', ['a & b.csv', 'ü=1']));
    expect(url.pathname).toBe('/user/alice/progresswidget/archives/my%20data');
    expect(url.searchParams.get('format')).toBe('zip');
    expect(url.searchParams.getAll('name')).toEqual(['a & b.csv', 'ü=1']);
    expect(archiveAddress(there, '', [])).toMatch(/archives\/\?format=zip$/);
  });
});

describe('a link', () => {
  it('is made for some seconds, and its address is whole', async () => {
    const { server, seen } = listening('/201/link/');
    expect(await makeLink(server, 'a b/c.csv', 600)).toEqual({
      id: 'b'.repeat(32),
      expires: 1000,
      url: `${inject('origin')}/links/token/c.csv`,
    });
    expect(seen).toMatchObject([
      {
        method: 'POST',
        url: '/201/link/progresswidget/api/links/a%20b/c.csv',
        body: '{"expires":600}',
      },
    ]);
  });

  it('is closed alone, or with all others', async () => {
    const { server, seen } = listening('/204/none/');
    await closeLinks(server, 'c.csv', 'b1');
    await closeLinks(server, 'c.csv');
    expect(seen).toMatchObject([
      { method: 'DELETE', url: '/204/none/progresswidget/api/links/c.csv?id=b1' },
      { method: 'DELETE', url: '/204/none/progresswidget/api/links/c.csv' },
    ]);
  });

  it('that is closed already is closed', async () => {
    await closeLinks(server('/404/none/'), 'c.csv');
  });

  it.each([
    ['/401/none/', 'login'],
    ['/403/none/', 'forbidden'],
    ['/404/none/', 'missing'],
    ['/429/links/', 'tooManyLinks'],
    ['/500/none/', 'refused'],
  ])('that fails has a reason: %s', async (path, key) => {
    expect(await failure(makeLink(server(path), 'c.csv', 60))).toBe(key);
    expect(await failure(openLinks(server(path), 'c.csv'))).toBe(key);
  });

  it('fails where nobody answers', async () => {
    expect(await failure(openLinks(dead(), 'c.csv'))).toBe('unreachable');
    expect(await failure(closeLinks(dead(), 'c.csv'))).toBe('unreachable');
  });
});

describe('a download', () => {
  it.each([
    ['/401/none/', 'login'],
    ['/403/none/', 'forbidden'],
    ['/404/none/', 'missing'],
    ['/413/none/', 'tooLarge'],
    ['/429/none/', 'busy'],
    ['/400/none/', 'tooMany'],
    ['/500/none/', 'refused'],
  ])('that fails has a reason: %s', async (path, key) => {
    expect(await failure(downloadFile(contentsAddress(server(path), 'c.csv'), 'c.csv'))).toBe(key);
  });

  it('fails where nobody answers', async () => {
    expect(await failure(downloadFile(contentsAddress(dead(), 'c.csv'), 'c.csv'))).toBe(
      'unreachable',
    );
  });
});
