import { Widget } from '@lumino/widgets';
import { afterEach, expect, it, vi } from 'vitest';
import { sharedChannel } from '../src/channel/channel';
import { EXPORT_WORDS, exportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';
import { ConversionList } from '../src/lab/conversion_list';
import { pageServer } from '../src/server';
import { Network, settle } from './fake_network';
import { INTERRUPTED, record, TASK } from './records';

const CONVERSION = { source: 'a.csv', notebook: null, cellId: null };
let list: ConversionList;
let number = 0;

/** The list of one file browser, over a server that answers every request like this. */
async function show(answer: () => Promise<Response>): Promise<Network> {
  const network = new Network();
  number += 1;
  const server = { ...pageServer(`/conversions-${number}/`, location.origin), request: answer };
  sharedChannel(server.base, () => network.environment);
  const words = exportWords(ENGLISH);
  list = new ConversionList({ server, messages: ENGLISH, words, written: () => {} });
  Widget.attach(list, document.body);
  list.add(record(CONVERSION));
  network.wire.hello();
  await settle();
  return network;
}

const buttons = () => [
  ...list.node.querySelectorAll<HTMLButtonElement>('.pw-conversion-tools button'),
];
const close = () => list.node.querySelector<HTMLButtonElement>('button[aria-label^=Close]');

afterEach(() => list.dispose());

it('says why a conversion does not go on', async () => {
  const network = await show(async () =>
    Response.json({ code: 'too-many-conversions' }, { status: 429 }),
  );
  const data = { taskId: TASK, recovered: false, snapshot: { ...INTERRUPTED, ...CONVERSION } };
  network.wire.say({ type: 'subscribed', re: 1, timestamp: 1, epoch: 'E', seq: 1, data });
  expect(buttons().map(({ textContent }) => textContent)).toEqual(['Continue']);
  expect(close()?.hidden).toBe(false);
  buttons()[0]?.click();
  const note = list.node.querySelector('.pw-conversion-note');
  await vi.waitFor(() => expect(note?.textContent).toBe(EXPORT_WORDS.en?.failure.busy));
  expect(buttons()[0]?.disabled).toBe(false);
});

it('lets a conversion be closed that the server has lost', async () => {
  const network = await show(async () => Response.json({}));
  expect(close()?.hidden).toBe(true);
  network.wire.say({
    type: 'error',
    re: 1,
    timestamp: 1,
    data: { code: 'task-not-found', taskId: TASK, message: '', hint: '' },
  });
  await vi.waitFor(() => expect(close()?.hidden).toBe(false));
  close()?.click();
  expect(list.isHidden).toBe(true);
});

it('hands the keyboard on to the row that is left, and then to the files', async () => {
  const network = await show(async () => Response.json({}));
  const browser = document.createElement('div');
  browser.className = 'jp-FileBrowser';
  browser.innerHTML = '<div class="jp-DirListing" tabindex="-1"><b tabindex="0">a.csv</b></div>';
  document.body.append(browser);
  browser.prepend(list.node);
  const other = '1'.repeat(32);
  list.add(record({ ...CONVERSION, taskId: other, name: 'b.csv' }));
  for (const taskId of [TASK, other]) {
    network.wire.say({
      type: 'error',
      re: 1,
      timestamp: 1,
      data: { code: 'task-not-found', taskId, message: '', hint: '' },
    });
  }
  await vi.waitFor(() => expect(close()?.hidden).toBe(false));
  close()?.focus();
  list.remove(TASK);
  expect(list.node.contains(document.activeElement)).toBe(true);
  list.remove(other);
  expect(document.activeElement?.textContent).toBe('a.csv');
  document.body.append(list.node);
  browser.remove();
});
