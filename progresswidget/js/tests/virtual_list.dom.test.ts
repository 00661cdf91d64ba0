import { afterEach, describe, expect, it } from 'vitest';
import { userEvent } from 'vitest/browser';
import { steady } from '../src/view/offsets';
import { adoptStyle } from '../src/view/stylesheet';
import { type Row, VirtualList } from '../src/view/virtual_list';

const lists: VirtualList[] = [];
const made = new Map<string, number>();
const updated = new Map<string, number>();
const gone: string[] = [];

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function create(key: string): Row {
  const element = document.createElement('div');
  element.innerHTML = '<span></span> <button>Pause</button> <button>Cancel</button>';
  element.style.height = key.startsWith('tall') ? '90px' : '30px';
  count(made, key);
  return {
    element,
    update() {
      count(updated, key);
      (element.firstElementChild as HTMLElement).textContent = key;
    },
    dispose: () => void gone.push(key),
    press: () => element.classList.toggle('pressed'),
  };
}

async function frame(): Promise<void> {
  // The first draws, the second comes after what a ResizeObserver has to say.
  for (let turn = 0; turn < 2; turn += 1) await new Promise(requestAnimationFrame);
}

async function show(keys: readonly string[]): Promise<VirtualList> {
  const list = new VirtualList({
    label: 'Exports',
    estimate: 30,
    overscan: 2,
    hold: steady,
    create,
  });
  list.element.style.height = '300px';
  document.body.append(list.element);
  adoptStyle(list.element);
  lists.push(list);
  list.arrange(keys);
  await frame();
  return list;
}

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);
const rowsOf = (list: VirtualList) => [
  ...list.element.querySelectorAll<HTMLElement>('[role=listitem]'),
];
const row = (list: VirtualList, key: string) => {
  const found = rowsOf(list).find(({ dataset }) => dataset.key === key);
  if (!found) throw new Error(`${key} is not drawn`);
  return found;
};
const topOf = (list: VirtualList, key: string) =>
  row(list, key).getBoundingClientRect().top - list.element.getBoundingClientRect().top;

afterEach(() => {
  for (const list of lists.splice(0)) list.dispose();
  document.body.replaceChildren();
  for (const kept of [made, updated]) kept.clear();
  gone.length = 0;
});

describe('a list of thousands', () => {
  it('asks for no layout to draw a row anew, and stays where it is', async () => {
    const list = await show(keysOf(2_000));
    list.element.scrollTop = 3_000;
    await frame();
    let asked = 0;
    Object.defineProperty(list.element, 'scrollTop', {
      configurable: true,
      get() {
        asked += 1;
        return Reflect.get(Element.prototype, 'scrollTop', this);
      },
      set(value: number) {
        Reflect.set(Element.prototype, 'scrollTop', value, this);
      },
    });
    const before = updated.get('k101');
    list.refresh(['k101']);
    await frame();
    expect(updated.get('k101')).toBe((before ?? 0) + 1);
    expect(asked).toBe(0);
    // What was hidden has lost its place, and takes it again.
    list.element.hidden = true;
    await frame();
    list.element.hidden = false;
    await frame();
    expect(list.element.scrollTop).toBe(3_000);
  });

  it('has in the page what is in view, and says how many there are', async () => {
    const list = await show(keysOf(2_000));
    expect(list.drawn).toBe(12);
    const items = rowsOf(list);
    expect(items.map(({ dataset }) => dataset.key)).toEqual(keysOf(12));
    expect(items[3]?.getAttribute('aria-posinset')).toBe('4');
    expect(items[3]?.getAttribute('aria-setsize')).toBe('2000');
    expect(list.element.scrollHeight).toBe(60_000);
    expect(list.element.firstElementChild?.getAttribute('aria-label')).toBe('Exports');
  });

  it('draws the rows that are scrolled to, and gives up the others', async () => {
    const list = await show(keysOf(2_000));
    list.element.scrollTop = 30_000;
    await frame();
    // The row of the keyboard stays: Tab leads to it.
    expect(rowsOf(list).map(({ dataset }) => dataset.key)).toEqual([
      'k0',
      ...keysOf(1_012).slice(998),
    ]);
    expect(gone).toHaveLength(11);
    expect(topOf(list, 'k1000')).toBe(0);
  });

  it('draws anew what has changed and is in view, once a frame', async () => {
    const list = await show(keysOf(2_000));
    updated.clear();
    for (let turn = 0; turn < 50; turn += 1) list.refresh(['k3', 'k1500']);
    await frame();
    expect([...updated]).toEqual([['k3', 1]]);
    list.refresh();
    await frame();
    expect(updated.size).toBe(12);
    expect(made.get('k3')).toBe(1);
  });

  it('leaves nothing behind', async () => {
    const list = await show(keysOf(50));
    list.refresh();
    list.dispose();
    await frame();
    expect(new Set(gone)).toEqual(new Set(made.keys()));
    expect(list.element.isConnected).toBe(false);
    expect(updated.get('k1')).toBe(1);
  });
});

describe('the place of a person', () => {
  it('stays where rows come and go above it', async () => {
    const list = await show(keysOf(200));
    list.element.scrollTop = 1_510;
    await frame();
    const before = topOf(list, 'k51');
    list.arrange(['new1', 'new2', 'new3', ...keysOf(200).filter((key) => key !== 'k10')]);
    await frame();
    expect(topOf(list, 'k51')).toBe(before);
    expect(list.element.scrollTop).toBe(1_570);
  });

  it('stays where the row at its edge is sorted to a far place', async () => {
    const list = await show(keysOf(200));
    list.element.scrollTop = 1_510;
    await frame();
    const before = topOf(list, 'k51');
    // As a job that has ended, of a list that is sorted by state.
    const rest = keysOf(200).filter((key) => key !== 'k50');
    list.arrange([...rest, 'k50']);
    await frame();
    expect(topOf(list, 'k51')).toBe(before);
    list.arrange(['k55', ...rest.filter((key) => key !== 'k55'), 'k50']);
    await frame();
    expect(topOf(list, 'k51')).toBe(before);
  });

  it.each([
    ['before it knows how high it is', true],
    ['while it is hidden', false],
  ])('is led to a row %s', async (_, shown) => {
    const list = await show(keysOf(200));
    list.element.hidden = true;
    await frame();
    list.element.hidden = !shown;
    list.focus('k120');
    list.element.hidden = false;
    await frame();
    expect(topOf(list, 'k120')).toBeGreaterThanOrEqual(0);
    expect(topOf(list, 'k120')).toBeLessThanOrEqual(270);
  });

  it('stays while higher rows are measured above it', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => `tall${index}`);
    const list = await show(keys);
    list.element.scrollTop = 6_000;
    await frame();
    const [first] = rowsOf(list).filter((item) => item.getBoundingClientRect().top >= 0);
    const before = first?.getBoundingClientRect().top;
    list.refresh();
    await frame();
    expect(first?.getBoundingClientRect().top).toBe(before);
    // No row lies on another one.
    const edges = rowsOf(list)
      .slice(1)
      .map((item) => item.getBoundingClientRect());
    edges.slice(1).forEach(({ top }, index) => {
      expect(top).toBe(edges[index]?.bottom);
    });
  });

  it('is the top for who is at the top: what is new is seen', async () => {
    const list = await show(keysOf(100));
    list.arrange(['new', ...keysOf(100)]);
    await frame();
    expect(topOf(list, 'new')).toBe(0);
  });

  it('is the end where the list has become short', async () => {
    const list = await show(keysOf(100));
    list.element.scrollTop = 2_700;
    await frame();
    list.arrange(keysOf(12));
    await frame();
    expect(list.element.scrollTop).toBe(60);
    expect(rowsOf(list).at(-1)?.dataset.key).toBe('k11');
    list.arrange([]);
    await frame();
    expect(list.drawn).toBe(0);
  });
});

describe('by keyboard', () => {
  const focusedKey = () => (document.activeElement as HTMLElement).dataset.key;

  it('the list is one stop, and the buttons of its row the next', async () => {
    const list = await show(keysOf(100));
    await userEvent.tab();
    expect(focusedKey()).toBe('k0');
    await userEvent.tab();
    expect(document.activeElement?.textContent).toBe('Pause');
    await userEvent.tab();
    await userEvent.tab();
    expect(list.element.contains(document.activeElement)).toBe(false);
  });

  it('arrows, Home, End and pages lead through rows that were not in the page', async () => {
    const list = await show(keysOf(2_000));
    list.focus('k0');
    await userEvent.keyboard('{ArrowDown}{ArrowDown}');
    expect(focusedKey()).toBe('k2');
    await userEvent.keyboard('{End}');
    expect(focusedKey()).toBe('k1999');
    await frame();
    expect(topOf(list, 'k1999')).toBe(270);
    await userEvent.keyboard('{PageUp}');
    expect(focusedKey()).toBe('k1989');
    await userEvent.keyboard('{Home}');
    expect(focusedKey()).toBe('k0');
    await frame();
    expect(list.drawn).toBeLessThan(16);
  });

  it('sideways to the buttons and back, and Enter is for the row', async () => {
    const list = await show(keysOf(100));
    list.focus('k1');
    await userEvent.keyboard('{Enter}');
    expect(row(list, 'k1').classList).toContain('pressed');
    await userEvent.keyboard('{ArrowRight}{ArrowRight}');
    expect(document.activeElement?.textContent).toBe('Cancel');
    await userEvent.keyboard('{ArrowLeft}{ArrowLeft}');
    expect(focusedKey()).toBe('k1');
    await userEvent.keyboard('{ArrowRight}{ArrowDown}');
    expect(focusedKey()).toBe('k2');
  });

  it('keeps its row through scrolling and another order, and passes on one that goes', async () => {
    const list = await show(keysOf(300));
    list.focus('k5');
    list.element.scrollTop = 5_000;
    await frame();
    expect(focusedKey()).toBe('k5');
    list.arrange([...keysOf(300)].reverse());
    await frame();
    expect(focusedKey()).toBe('k5');
    list.arrange(keysOf(300).filter((key) => key !== 'k5'));
    await frame();
    // The one below it, in the order that a person saw.
    expect(focusedKey()).toBe('k4');
    const order = rowsOf(list).map((item) => Number(item.getAttribute('aria-posinset')));
    expect(order).toEqual([...order].sort((one, other) => one - other));
  });
});
