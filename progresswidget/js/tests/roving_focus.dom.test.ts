import { afterEach, expect, it, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { RovingFocus } from '../src/view/roving_focus';
import type { Row } from '../src/view/virtual_list';

const KEYS = ['a', 'b', 'c'];
const living = new AbortController();

afterEach(() => document.body.replaceChildren());

function list() {
  const room = document.createElement('div');
  const rows = new Map<string, Row>();
  for (const key of KEYS) {
    const element = document.createElement('div');
    element.className = 'pw-list-row';
    element.dataset.key = key;
    element.innerHTML = '<button>one</button><button hidden>none</button><button>two</button>';
    rows.set(key, { element, update: vi.fn(), dispose: vi.fn(), press: vi.fn() });
    room.append(element);
  }
  const left = vi.fn();
  const next = (pressed: string, from: string) =>
    pressed === 'ArrowDown' ? (KEYS[KEYS.indexOf(from) + 1] ?? null) : null;
  const focus = (key: string) => {
    keyboard.activate(key);
    keyboard.focusActive();
  };
  const keyboard: RovingFocus = new RovingFocus(
    room,
    { row: (key) => rows.get(key), next, focus, left },
    living.signal,
  );
  document.body.append(document.createElement('input'), room, document.createElement('input'));
  for (const [key, { element }] of rows) keyboard.admit(key, element);
  const at = () => document.activeElement;
  return { room, rows, left, keyboard, focus, at, row: (key: string) => rows.get(key) as Row };
}

it('by Tab only the row that it is at is passed, with its buttons', async () => {
  const { keyboard, row, at } = list();
  keyboard.activate('b');
  document.querySelector('input')?.focus();
  const stops = [];
  for (let count = 0; count < 4; count += 1) {
    await userEvent.keyboard('{Tab}');
    stops.push(at());
  }
  const buttons = row('b').element.querySelectorAll('button');
  expect(stops).toEqual([row('b').element, buttons[0], buttons[2], document.body.lastElementChild]);
});

it('arrows lead on, and to the buttons that are seen and back', async () => {
  const { focus, keyboard, row, at } = list();
  focus('a');
  await userEvent.keyboard('{ArrowDown}');
  expect([keyboard.active, at()]).toEqual(['b', row('b').element]);
  const buttons = row('b').element.querySelectorAll('button');
  await userEvent.keyboard('{ArrowRight}{ArrowRight}');
  expect(at()).toBe(buttons[2]);
  await userEvent.keyboard('{ArrowRight}');
  expect(at()).toBe(buttons[2]);
  await userEvent.keyboard('{ArrowLeft}{ArrowLeft}');
  expect(at()).toBe(row('b').element);
});

it('a row is pressed by Enter and Space, and its buttons are not for it', async () => {
  const { focus, row } = list();
  focus('c');
  await userEvent.keyboard('{Enter}');
  await userEvent.keyboard(' ');
  expect(row('c').press).toHaveBeenCalledTimes(2);
  await userEvent.keyboard('{ArrowRight}{Enter}');
  expect(row('c').press).toHaveBeenCalledTimes(2);
});

it('who clicks into a row is at it, and who leaves the list is said to', async () => {
  const { keyboard, left, row } = list();
  keyboard.activate('a');
  await userEvent.click(row('c').element.querySelector('button') as HTMLElement);
  expect([keyboard.active, keyboard.isIn]).toEqual(['c', true]);
  expect(left).not.toHaveBeenCalled();
  document.querySelector('input')?.focus();
  await vi.waitFor(() => expect(left).toHaveBeenCalledOnce());
  expect([keyboard.active, keyboard.isIn]).toEqual(['c', false]);
});

it('at no row it takes no key', async () => {
  const { keyboard, row } = list();
  keyboard.activate('a');
  keyboard.activate(null);
  expect(row('a').element.tabIndex).toBe(-1);
  const event = new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true });
  row('a').element.dispatchEvent(event);
  expect(event.defaultPrevented).toBe(false);
});
