import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { afterEach, expect, it, vi } from 'vitest';
import { showInFileBrowser } from '../src/lab/show';

const app = () => ({ commands: new CommandRegistry() }) as unknown as JupyterFrontEnd;

afterEach(() => void vi.restoreAllMocks());

it('a file is shown in the file browser of the page, where it has one', async () => {
  const open = vi.spyOn(window, 'open');
  const lab = app();
  const execute = vi.fn();
  lab.commands.addCommand('filebrowser:go-to-path', { execute });
  await showInFileBrowser(lab, 'work/a b.csv');
  expect(execute).toHaveBeenCalledWith({ path: 'work/a b.csv' });
  expect(open).not.toHaveBeenCalled();
});

it.each([
  ['out/in here/a.csv', '/tree/out/in%20here'],
  ['a.csv', '/tree'],
])('a file is shown on a page of its own, where it has none: %s', async (path, address) => {
  const open = vi.spyOn(window, 'open').mockReturnValue(null);
  await showInFileBrowser(app(), path);
  const [url] = open.mock.calls[0] ?? [];
  expect(new URL(String(url), location.origin).pathname.replace(/\/$/, '')).toBe(address);
});
