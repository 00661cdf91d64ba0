import { afterEach, describe, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { CHINESE, ENGLISH } from '../src/i18n';
import { LAB_ENGLISH, withUploads } from '../src/i18n/lab';
import { adoptPanelStyle } from '../src/lab/panel/style';
import { NEW_TRANSFER, type TransferState } from '../src/transfer';
import { adoptStyle } from '../src/view/stylesheet';
import { TransferView } from '../src/view/transfer_view';

const views: TransferView[] = [];
const state = (changes: Partial<TransferState>): TransferState => ({
  ...NEW_TRANSFER,
  status: 'running',
  offset: 250,
  size: 1000,
  ...changes,
});

function show(width = 600, name = 'flights.csv', said = ENGLISH) {
  const list = document.createElement('div');
  list.className = 'pw-transfers';
  list.style.width = `${width}px`;
  const handlers = {
    pause: vi.fn(),
    resume: vi.fn(),
    cancel: vi.fn(),
    dismiss: vi.fn(),
    again: vi.fn(),
  };
  const view = new TransferView({
    name,
    direction: 'upload',
    messages: withUploads(said, LAB_ENGLISH),
    handlers,
  });
  list.append(view.element);
  document.body.append(list);
  adoptStyle(view.element);
  adoptPanelStyle(view.element);
  views.push(view);
  view.update(state({}));
  return { view, handlers, list };
}

afterEach(() => {
  for (const view of views.splice(0)) view.dispose();
  document.body.replaceChildren();
});

const bar = ({ element }: TransferView) => element.querySelector('[role=progressbar]');
const button = ({ element }: TransferView, name: string) =>
  element.querySelector<HTMLButtonElement>(`button[data-transfer=${name}]`);
const visible = ({ element }: TransferView) =>
  [...element.querySelectorAll<HTMLElement>('button')]
    .filter((element) => element.checkVisibility())
    .map(({ dataset }) => dataset.transfer);

describe('the bar of a transfer', () => {
  it('is a progressbar with a name, a value and words for it', () => {
    const { view } = show();
    expect(bar(view)?.getAttribute('aria-label')).toBe('Upload of flights.csv');
    expect(bar(view)?.getAttribute('aria-valuenow')).toBe('25');
    expect(bar(view)?.getAttribute('aria-valuetext')).toBe('Uploading, 25%');
    view.update(state({ size: null }));
    expect(bar(view)?.hasAttribute('aria-valuenow')).toBe(false);
  });

  it('has the buttons of its state, and they work by keyboard', async () => {
    const { view, handlers } = show();
    expect(visible(view)).toEqual(['pause', 'cancel']);
    button(view, 'pause')?.focus();
    await userEvent.keyboard('{Enter}');
    expect(handlers.pause).toHaveBeenCalledOnce();
    view.update(state({ status: 'paused' }));
    expect(visible(view)).toEqual(['resume', 'cancel']);
    expect(document.activeElement).toBe(button(view, 'resume'));
    await userEvent.keyboard(' ');
    expect(handlers.resume).toHaveBeenCalledOnce();
    view.update(state({ status: 'failed', failure: 'exists' }));
    expect(visible(view)).toEqual(['again', 'dismiss']);
    view.update(state({ status: 'done', verified: true }));
    expect(visible(view)).toEqual(['dismiss']);
    for (const name of ['pause', 'resume', 'again', 'cancel', 'dismiss']) {
      expect(button(view, name)?.ariaLabel).toMatch(/^\w.* flights\.csv$/);
    }
  });

  it('tells a screen reader of changes of state, never of numbers', () => {
    const { view } = show();
    const announcer = view.element.querySelector('[aria-live=polite]');
    view.update(state({ offset: 500 }));
    expect(announcer?.textContent).toBe('');
    view.update(state({ status: 'failed', failure: 'serverFull' }));
    expect(announcer?.textContent).toContain(
      'flights.csv: Stopped. The disk of the server is full.',
    );
  });

  it.each([ENGLISH, CHINESE])(
    'says all its words in the side bar, whose name has a line to itself',
    (said) => {
      // What is left of 250 px between the edges of the file browser.
      const name = '2026-11 flights, all carriers.parquet';
      const { view } = show(250, name, said);
      for (const status of [
        'queued',
        'starting',
        'checking',
        'running',
        'waiting',
        'paused',
        'failed',
        'done',
      ] as const) {
        view.update(state({ status, attempt: 4, tries: 5, verified: status === 'done' }));
        const words = view.element.querySelector<HTMLElement>('[data-part=words]');
        const line = words?.parentElement?.getBoundingClientRect();
        const box = words?.getBoundingClientRect();
        expect(words?.textContent).not.toBe('');
        expect(box?.right).toBeLessThanOrEqual(line?.right ?? 0);
        expect(box?.bottom).toBeLessThanOrEqual((line?.bottom ?? 0) + 3);
        // Nothing but the buttons is beside the name.
        const buttons = view.element.querySelector('.pw-actions')?.getBoundingClientRect();
        const title = view.element.querySelector('bdi')?.getBoundingClientRect();
        expect((buttons?.left ?? 0) - (title?.right ?? 0)).toBeLessThan(12);
      }
    },
  );

  it.each([180, 250, 420, 900])('fits into %d px with the longest name', (width) => {
    const { view, list } = show(width, 'x'.repeat(255));
    for (const changes of [
      {},
      { status: 'waiting', attempt: 2, tries: 5 },
      { status: 'failed', failure: 'notPicked' },
      { status: 'done', verified: true },
    ] as Partial<TransferState>[]) {
      view.update(state(changes));
      expect(list.scrollWidth).toBeLessThanOrEqual(width);
      const right = list.getBoundingClientRect().right;
      for (const element of view.element.querySelectorAll<HTMLElement>('button, bdi, .pw-track')) {
        if (!element.checkVisibility()) continue;
        expect(element.getBoundingClientRect().right).toBeLessThanOrEqual(right + 0.5);
      }
    }
  });
});
