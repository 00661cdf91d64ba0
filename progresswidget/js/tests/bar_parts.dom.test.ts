import { afterEach, describe, expect, it, vi } from 'vitest';
import { CHINESE, ENGLISH } from '../src/i18n';
import type { JobRecord } from '../src/protocol';
import { progressTraits } from '../src/traits';
import type { Part, PartName } from '../src/view/amounts';
import { type Asked, Buttons } from '../src/view/buttons';
import { DetailsView } from '../src/view/details_view';
import { setAttribute, setData, setHidden, setText, setTitle, span } from '../src/view/dom';
import { ACTION_ICONS, type ButtonName, STATE_ICONS, TRANSFER_ICONS } from '../src/view/icons';
import { Moment } from '../src/view/moment';
import { Numbers } from '../src/view/numbers';
import { PartLine } from '../src/view/part_line';
import { ProgressView } from '../src/view/progress_view';
import { RateTrail } from '../src/view/rates';
import { Sparkline } from '../src/view/sparkline';
import { adoptStyle } from '../src/view/stylesheet';
import { DONE, FAILED, record } from './records';

afterEach(() => document.body.replaceChildren());

/** What of a text is within its element, letter by letter; half a letter is none. */
function visible(element: HTMLElement): string {
  const [text, box] = [element.firstChild as Text, element.getBoundingClientRect()];
  const range = document.createRange();
  const letters = [...text.data].filter((_, index) => {
    range.setStart(text, index);
    range.setEnd(text, index + 1);
    const { left, right, top, bottom, width } = range.getBoundingClientRect();
    const inside = left >= box.left - 0.5 && right <= box.right + 0.5;
    return width > 0 && inside && top >= box.top - 4 && bottom <= box.bottom + 4;
  });
  return letters.join('').replaceAll('\u00a0', ' ').trim();
}

describe('a piece of a page', () => {
  it('is written only where it changes, or a screen reader would wake up', async () => {
    const element = span('x');
    document.body.append(element);
    const write = () => {
      setText(element, 'a');
      setTitle(element, 'b');
      setAttribute(element, 'aria-label', 'c');
      setData(element, 'state', 'd');
      setHidden(element, true);
    };
    write();
    const seen = vi.fn();
    const observer = new MutationObserver(seen);
    observer.observe(element, { attributes: true, childList: true, characterData: true });
    write();
    setText(element, 'e');
    await new Promise(requestAnimationFrame);
    expect(seen.mock.calls.flatMap(([records]) => records)).toHaveLength(1);
    expect(element.outerHTML).toBe(
      '<span class="x" title="b" aria-label="c" data-state="d" hidden="">e</span>',
    );
    observer.disconnect();
  });
});

describe('the icons', () => {
  it.each(Object.entries({ ...STATE_ICONS, ...ACTION_ICONS, ...TRANSFER_ICONS }))(
    '%s can be drawn, in the colour of the text',
    (_, code) => {
      const parsed = new DOMParser().parseFromString(code, 'text/html').querySelector('svg');
      expect(parsed?.getAttribute('stroke')).toBe('currentColor');
      expect(parsed?.childElementCount).toBeGreaterThan(0);
      const strict = code.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
      const xml = new DOMParser().parseFromString(strict, 'image/svg+xml');
      expect(xml.querySelector('parsererror')).toBeNull();
    },
  );
});

describe('the buttons', () => {
  function buttons() {
    const pressed: ButtonName[] = [];
    const living = new AbortController();
    const made = new Buttons(ENGLISH, (name) => void pressed.push(name), living.signal);
    const card = document.createElement('div');
    card.className = 'pw-job';
    card.append(made.element);
    document.body.append(card);
    const show = (names: ButtonName[], asked: Asked[] = [], copied = false) =>
      made.update({ shown: new Set(names), asked: new Set(asked), name: 'a.csv', copied });
    const of = (name: ButtonName) =>
      made.element.querySelector<HTMLButtonElement>(`[data-action=${name}]`) as HTMLButtonElement;
    return { pressed, living, card, show, of, made };
  }

  it('are those that are wanted, each with the name of its file', () => {
    const { show, of, made } = buttons();
    show(['pause', 'cancel']);
    const shown = [...made.element.querySelectorAll('button')].filter(({ hidden }) => !hidden);
    expect(shown.map(({ ariaLabel }) => ariaLabel)).toEqual([
      `${ENGLISH.action.pause} a.csv`,
      `${ENGLISH.action.cancel} a.csv`,
    ]);
    expect(of('pause').title).toBe(ENGLISH.action.pause);
  });

  it('that wait take no second press, and are not disabled', () => {
    const { show, of, pressed } = buttons();
    show(['pause', 'cancel'], ['pause']);
    of('pause').click();
    of('cancel').click();
    expect(pressed).toEqual(['cancel']);
    expect([of('pause').ariaDisabled, of('pause').disabled]).toEqual(['true', false]);
    expect(of('pause').textContent).toBe(ENGLISH.pending.pause);
  });

  it('steer nothing while a cancel waits', () => {
    const { show, of, pressed } = buttons();
    show(['pause', 'cancel', 'details'], ['cancel']);
    of('pause').click();
    of('details').click();
    expect(pressed).toEqual(['details']);
  });

  it('hand the keyboard to their heirs, and to the card where there is none', () => {
    const { show, of, card } = buttons();
    show(['pause', 'cancel']);
    of('pause').focus();
    show(['resume', 'cancel']);
    expect(document.activeElement).toBe(of('resume'));
    show([]);
    expect(document.activeElement).toBe(card);
    card.blur();
    expect(card.hasAttribute('tabindex')).toBe(false);
  });

  it('say for a moment that a link is copied, and do nothing after their end', () => {
    const { show, of, pressed, living } = buttons();
    show(['link'], [], true);
    expect(of('link').title).toBe(ENGLISH.copied);
    living.abort();
    of('link').click();
    expect(pressed).toEqual([]);
  });

  it('say what they open', () => {
    const { made, show, of } = buttons();
    show(['details']);
    made.controls('details', 'd-1', true);
    expect(of('details').getAttribute('aria-controls')).toBe('d-1');
    expect(of('details').ariaExpanded).toBe('true');
  });

  it('are built when they are first wanted, and stand in one order whenever that is', () => {
    const { made, show } = buttons();
    const names = () =>
      [...made.element.querySelectorAll<HTMLElement>('button')].map(
        ({ dataset }) => dataset.action,
      );
    show(['cancel']);
    expect(names()).toEqual(['cancel', 'details']);
    const foreign = document.createElement('b');
    made.element.append(foreign);
    show(['download', 'details']);
    show(['pause', 'cancel', 'details']);
    expect(names()).toEqual(['pause', 'cancel', 'download', 'details']);
    expect(made.element.lastChild).toBe(foreign);
  });
});

describe('the details', () => {
  it('are written when somebody looks, and not before', () => {
    const view = new DetailsView(ENGLISH);
    document.body.append(view.element);
    view.update(record());
    expect(view.element.querySelectorAll('dt')).toHaveLength(0);
    view.toggle(record());
    expect(view.isOpen).toBe(true);
    expect(view.element.textContent).toContain('/home/alice/flights.csv');
    const rows = [...view.element.querySelectorAll('.pw-pair')].map(
      ({ textContent }) => textContent,
    );
    expect(rows).toContain('carrier string');
    view.toggle(record());
    expect(view.isOpen).toBe(false);
  });

  it('stay as they are, where the keyboard may be, while only numbers change', () => {
    const view = new DetailsView(ENGLISH);
    document.body.append(view.element);
    view.toggle(record());
    const pairs = view.element.querySelector<HTMLElement>('.pw-pairs');
    pairs?.focus();
    view.update(record({ rows: 2_000_000, progress: 60 }));
    expect(document.activeElement).toBe(pairs);
    view.update(record({ options: 'delimiter\t|' }));
    expect(pairs?.isConnected).toBe(false);
  });

  it('show one link to copy by hand, picked', () => {
    const view = new DetailsView(ENGLISH);
    document.body.append(view.element);
    view.showLink('https://host/first');
    view.showLink('https://host/second');
    const inputs = view.element.querySelectorAll('input');
    expect([...inputs].map(({ value }) => value)).toEqual(['https://host/second']);
    expect(inputs[0]?.selectionEnd).toBe('https://host/second'.length);
  });
});

describe('the moment to take something back', () => {
  it('is over after its time, once', () => {
    vi.useFakeTimers();
    try {
      const act = vi.fn();
      const moment = new Moment(4_000);
      moment.begin(act);
      vi.advanceTimersByTime(3_999);
      expect([moment.isOpen, act.mock.calls.length]).toEqual([true, 0]);
      vi.advanceTimersByTime(1);
      expect([moment.isOpen, act.mock.calls.length]).toEqual([false, 1]);
      window.dispatchEvent(new Event('pagehide'));
      expect(act).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  it('does nothing once it is taken back, and at once where the page goes', () => {
    const act = vi.fn();
    const moment = new Moment(60_000);
    moment.begin(act);
    moment.takeBack();
    window.dispatchEvent(new Event('pagehide'));
    expect(act).not.toHaveBeenCalled();
    moment.begin(act);
    window.dispatchEvent(new Event('pagehide'));
    expect(act).toHaveBeenCalledOnce();
    new Moment(0).begin(act);
    expect(act).toHaveBeenCalledTimes(2);
  });
});

describe('the numbers', () => {
  it('are real text with a point between each two', () => {
    const numbers = new Numbers();
    document.body.append(numbers.element);
    const part = (text: string): Part => ({ text, title: '' });
    const seen = () =>
      [...numbers.element.children]
        .filter((child) => child.checkVisibility())
        .map(({ textContent }) => textContent)
        .join('')
        .replaceAll('\u00a0', ' ');
    const show = (parts: [PartName, Part][]) => numbers.update(new Map(parts));
    show([
      ['bytes', part('3 MB')],
      ['percent', part('42 %')],
    ]);
    expect(seen()).toBe('42 % · 3 MB');
    show([['bytes', part('4 MB')]]);
    expect(seen()).toBe('4 MB');
    show([]);
    expect(seen()).toBe('');
  });
});

describe('the line of a part', () => {
  function line(first: JobRecord, download: ((record: JobRecord) => void) | null = null) {
    let shown: JobRecord | undefined = first;
    const part = new PartLine({
      messages: ENGLISH,
      read: () => shown,
      connection: () => ({ kind: 'live' }),
      download: () => download,
    });
    document.body.append(part.element);
    const show = (next: JobRecord | undefined) => {
      shown = next;
      part.update();
    };
    show(first);
    const of = <T extends HTMLElement>(selector: string) =>
      part.element.querySelector<T>(selector) as T;
    return { part, show, of };
  }

  it('says how far it is, and what it came to', () => {
    const { show, of, part } = line(record());
    const bar = of('[role=progressbar]');
    expect(bar.ariaValueNow).toBe('42.4');
    expect(bar.ariaLabel).toContain('flights.csv');
    expect(of('.pw-part-words').textContent).toContain('42');
    show(DONE);
    expect(bar.hidden).toBe(true);
    expect(part.element.dataset.state).toBe('done');
    expect(of('.pw-part-words').textContent).toContain('3,367,760');
  });

  it.each([
    [ENGLISH, ['48.1 MB of 138.4 MB', '48.1 MB']],
    [CHINESE, ['48.1 MB / 138.4 MB', '48.1 MB']],
  ] as const)('says less where there is little room, and cuts no number', (messages, full) => {
    const counted = record({ kind: 'task', unit: 'B', rows: 48_100_000, total: 138_412_032 });
    const part = new PartLine({
      messages,
      read: () => counted,
      connection: () => ({ kind: 'live' }),
      download: () => null,
    });
    const card = document.createElement('div');
    card.className = 'pw-job';
    card.append(part.element);
    document.body.append(card);
    adoptStyle(card);
    part.update();
    const words = part.element.querySelector('.pw-part-words') as HTMLElement;
    const seen = [600, 440, 320].map((width) => {
      card.style.width = `${width}px`;
      return visible(words);
    });
    expect(new Set(seen)).toEqual(new Set(full));
    expect(words.title.replaceAll('\u00a0', ' ')).toBe(full[0]);
  });

  it('says what went wrong, and how to help it', () => {
    const { of } = line(FAILED);
    expect(of('.pw-part-note').textContent).toBe(FAILED.error?.message);
    expect(of('.pw-part-note').title).toContain(FAILED.error?.hint ?? '');
  });

  it('can be downloaded where its file is there and a server has it', () => {
    const download = vi.fn();
    const { show, of, part } = line(record(), download);
    const button = of<HTMLButtonElement>('button');
    expect(button.hidden).toBe(true);
    show(DONE);
    expect([button.hidden, button.ariaLabel]).toEqual([
      false,
      `${ENGLISH.action.download} flights.csv`,
    ]);
    button.click();
    expect(download).toHaveBeenCalledExactlyOnceWith(DONE);
    part.dispose();
    button.click();
    expect(download).toHaveBeenCalledOnce();
  });

  it('stays as it is when nothing is known of it any more', () => {
    const { show, of } = line(record());
    show(undefined);
    expect(of('bdi').textContent).toBe('flights.csv');
  });
});

describe('the bar of a loop', () => {
  const traits = (changes: Record<string, unknown> = {}) => {
    const all: Record<string, unknown> = {
      ...{ value: 30, min: 0, max: 120, state: 'running', description: 'Files', bar_style: '' },
      ...{ orientation: 'horizontal', rate: 4, eta: 22, elapsed: 7, ...changes },
    };
    return progressTraits((name) => all[name]);
  };

  it('states its value, and none where the end is unknown', () => {
    const view = new ProgressView(ENGLISH);
    view.update(traits(), true);
    const bar = view.element.querySelector('[role=progressbar]');
    expect([bar?.ariaValueNow, bar?.ariaLabel]).toEqual(['25', 'Files']);
    view.update(traits({ max: null }), true);
    expect(bar?.hasAttribute('aria-valuenow')).toBe(false);
    expect(bar?.getAttribute('data-indeterminate')).toBe('true');
  });

  it('announces its end, and never its numbers', () => {
    const view = new ProgressView(CHINESE);
    const announcer = view.element.querySelector('[role=status]');
    view.update(traits(), true);
    view.update(traits({ value: 60 }), true);
    expect(announcer?.textContent).toBe('');
    view.update(traits({ value: 120, state: 'done' }), true);
    expect(announcer?.textContent).toBe(`Files: ${CHINESE.status.done}`);
    expect(view.element.lang).toBe(CHINESE.locale);
  });

  it('stands upright where it is asked to', () => {
    const view = new ProgressView(ENGLISH);
    view.update(traits({ orientation: 'vertical' }), false);
    const fill = view.element.querySelector<HTMLElement>('.pw-fill');
    expect([fill?.style.height, fill?.style.width]).toEqual(['25%', '']);
    expect(view.element.dataset.live).toBe('false');
  });
});

describe('the curve of the rate', () => {
  it('is drawn from three points on, and is nothing to a screen reader', () => {
    const spark = new Sparkline();
    const line = () => spark.element.querySelector('path')?.getAttribute('d');
    const trail = (...rates: number[]) => {
      const made = new RateTrail();
      for (const [at, rate] of rates.entries()) made.add(1_000 * at, rate);
      return made;
    };
    expect(spark.element.hasAttribute('hidden')).toBe(true);
    spark.update(trail(1, 2));
    expect([spark.element.hasAttribute('hidden'), line()]).toEqual([true, null]);
    spark.update(trail(1, 2, 3));
    expect(spark.element.hasAttribute('hidden')).toBe(false);
    expect(line()).toMatch(/^M/);
    expect(spark.element.getAttribute('aria-hidden')).toBe('true');
    spark.update(null);
    expect(spark.element.hasAttribute('hidden')).toBe(true);
  });
});
