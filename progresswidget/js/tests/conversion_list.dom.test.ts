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

afterEach(() => list.dispose());

it('says why a conversion does not go on', async () => {
  const network = await show(async () =>
    Response.json({ code: 'too-many-conversions' }, { status: 429 }),
  );
  const data = { taskId: TASK, recovered: false, snapshot: { ...INTERRUPTED, ...CONVERSION } };
  network.wire.say({ type: 'subscribed', re: 1, timestamp: 1, epoch: 'E', seq: 1, data });
  expect(buttons().map(({ textContent }) => textContent)).toEqual(['Continue', 'Close']);
  buttons()[0]?.click();
  const note = list.node.querySelector('.pw-conversion-note');
  await vi.waitFor(() => expect(note?.textContent).toBe(EXPORT_WORDS.en?.failure.busy));
  expect(buttons()[0]?.disabled).toBe(false);
});

it('lets a conversion be closed that the server has lost', async () => {
  const network = await show(async () => Response.json({}));
  expect(buttons()).toEqual([]);
  network.wire.say({
    type: 'error',
    re: 1,
    timestamp: 1,
    data: { code: 'task-not-found', taskId: TASK, message: '', hint: '' },
  });
  await vi.waitFor(() => expect(buttons()).toHaveLength(1));
  buttons()[0]?.click();
  expect(list.isHidden).toBe(true);
});
