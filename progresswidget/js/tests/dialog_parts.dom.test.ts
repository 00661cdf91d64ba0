import { afterEach, describe, expect, it, vi } from 'vitest';
import { ColumnList } from '../src/exporting/column_list';
import { DIALOG_WORDS, type DialogWords } from '../src/exporting/dialog_words';
import { OptionField, row, select, textInput } from '../src/exporting/fields';
import type { OptionOffer } from '../src/exporting/offers';
import { type Preview, PreviewTable } from '../src/exporting/preview_table';
import { adoptExportStyle } from '../src/exporting/stylesheet';
import { EXPORT_WORDS, type ExportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';

const WORDS = EXPORT_WORDS.en as ExportWords;
const DIALOG = DIALOG_WORDS.en as DialogWords;

const offer = (changes: Partial<OptionOffer>): OptionOffer =>
  ({
    ...{ name: 'null', kinds: ['str'], optional: false, choices: [], default: '', about: 'About' },
    ...changes,
  }) as OptionOffer;

function field(changes: Partial<OptionOffer>) {
  const made = new OptionField(offer(changes), WORDS);
  const control = made.element.querySelector<HTMLInputElement>('input, select');
  if (!control) throw new Error('no control');
  return { made, control };
}

describe('a row', () => {
  it('has a label of its control, which follows a check box', () => {
    const text = row('Name', textInput('a', 'b'));
    const box = document.createElement('input');
    box.type = 'checkbox';
    const check = row('Replace', box);
    expect(text.querySelector('label')?.htmlFor).toBe(text.querySelector('input')?.id);
    expect(text.firstElementChild?.tagName).toBe('LABEL');
    expect(check.lastElementChild?.tagName).toBe('LABEL');
    expect(text.querySelector('input')?.id).not.toBe(box.id);
  });

  it('has the choices of a list by their values', () => {
    const list = select([
      ['a', 'Alpha'],
      ['b', 'Beta'],
    ]);
    list.value = 'b';
    expect(list.selectedOptions[0]?.textContent).toBe('Beta');
  });
});

describe('an option', () => {
  it('is as usual until somebody changes it', () => {
    const { made, control } = field({ default: 'N/A' });
    expect([made.value, made.isUsual]).toEqual(['N/A', true]);
    control.value = '-';
    expect([made.value, made.isUsual]).toEqual(['-', false]);
    expect(made.element.title).toBe('About');
  });

  it.each([
    [['int'], '7.6', 8],
    [['float'], '7.6', 7.6],
    [['int'], '', 3],
  ])('that is a number of %j: %s', (kinds, typed, value) => {
    const { made, control } = field({ name: 'row_limit', kinds, default: 3 });
    expect(control.type).toBe('number');
    control.value = typed;
    expect(made.value).toBe(value);
  });

  it('that may be left out is null where it is empty', () => {
    const { made } = field({
      name: 'compression_level',
      kinds: ['int'],
      optional: true,
      default: null,
    });
    expect([made.value, made.isUsual]).toEqual([null, true]);
  });

  it('that is true or false is a check box', () => {
    const { made, control } = field({ name: 'header', kinds: ['bool'], default: true });
    expect([control.type, made.value]).toEqual(['checkbox', true]);
    control.checked = false;
    expect(made.value).toBe(false);
  });

  it('that has choices is a list, with what is usual first where it may be left out', () => {
    const choices = ['zstd', 'snappy'];
    const { control } = field({ name: 'compression', choices, optional: true, default: null });
    const options = [...(control as unknown as HTMLSelectElement).options];
    expect(options.map(({ value }) => value)).toEqual(['', 'zstd', 'snappy']);
    expect(options[0]?.textContent).toBe(WORDS.usual);
  });

  it('that separates is chosen by its name, for a tab cannot be seen', () => {
    const { made, control } = field({ name: 'delimiter', default: '\t' });
    expect(made.value).toBe('\t');
    expect((control as unknown as HTMLSelectElement).selectedOptions[0]?.textContent).toBe('Tab');
  });
});

describe('the preview', () => {
  const found: Preview = {
    columns: [
      ['id', 'int64'],
      ['<b>name</b>', 'string'],
    ],
    more: 0,
    rows: [
      ['1', null],
      ['2', '<i>x</i>'],
    ],
    total: 1_234,
    bytes: 5_000_000,
    exact: false,
  };
  const facts = (table: PreviewTable) =>
    // Between a number and its unit the line does not break.
    table.element.querySelector('[role=status]')?.textContent?.replaceAll('\u00a0', ' ');

  it('shows the rows as text, with what is missing and what is a number told apart', () => {
    const table = new PreviewTable(DIALOG, ENGLISH);
    table.show(found);
    const cells = [...table.element.querySelectorAll('td')];
    expect(cells.map(({ textContent }) => textContent)).toEqual(['1', 'null', '2', '<i>x</i>']);
    expect(cells.map(({ className }) => className)).toEqual([
      ...['pw-mod-number', 'pw-mod-null', 'pw-mod-number', ''],
    ]);
    expect(table.element.querySelector('i, b')).toBeNull();
    expect(table.element.querySelector('th')?.title).toBe('int64');
  });

  it('says how much it will be, and what nobody can know', () => {
    const table = new PreviewTable(DIALOG, ENGLISH);
    table.show(found);
    expect(facts(table)).toBe('1,234 rows · about 5.0 MB');
    table.show({ ...found, exact: true, more: 3 });
    expect(facts(table)).toBe('1,234 rows · 5.0 MB · and 3 more columns');
    table.show({ ...found, total: null, bytes: null, rows: [] });
    expect(facts(table)).toBe([DIALOG.unknownRows, DIALOG.unknownSize, DIALOG.noRows].join(' · '));
  });

  it('is pale while another is made, and gone where there is none', () => {
    const table = new PreviewTable(DIALOG, ENGLISH);
    table.show(found);
    table.say('Reading…');
    expect([facts(table), table.element.classList.contains('pw-mod-old')]).toEqual([
      ...['Reading…', true],
    ]);
    table.clear();
    expect(table.element.querySelector('table')).toBeNull();
  });
});

describe('the columns', () => {
  afterEach(() => document.body.replaceChildren());

  async function shown() {
    const changed = vi.fn();
    const columns = [
      ['id', 'int64'],
      ['Price', 'double'],
      ['price_net', 'double'],
    ] as const;
    const list = new ColumnList(columns, DIALOG, ENGLISH, changed);
    document.body.append(list.element);
    const rows = () => [...list.element.querySelectorAll<HTMLElement>('.pw-column')];
    await vi.waitFor(() => expect(rows()).toHaveLength(3));
    const press = (label: string) =>
      [...list.element.querySelectorAll('button')]
        .find(({ textContent }) => textContent === label)
        ?.click();
    return { list, changed, rows, press };
  }
  const countOf = ({ element }: ColumnList) => element.querySelector('[role=status]')?.textContent;

  it('are all chosen at first, and then those that are', async () => {
    const { list, rows, changed } = await shown();
    expect([list.value, countOf(list)]).toEqual([null, DIALOG.chosen('3', '3')]);
    rows()[1]?.querySelector('input')?.click();
    expect(list.value).toEqual(['id', 'price_net']);
    expect(changed).toHaveBeenCalledOnce();
    expect(countOf(list)).toBe(DIALOG.chosen('2', '3'));
    list.dispose();
  });

  it('are found by their names, and chosen as they are found', async () => {
    const { list, rows, press } = await shown();
    const search = list.element.querySelector<HTMLInputElement>('[type=search]');
    if (search) search.value = ' PRICE';
    search?.dispatchEvent(new Event('input', { bubbles: true }));
    await vi.waitFor(() => expect(rows()).toHaveLength(2));
    press(DIALOG.none);
    expect(list.value).toEqual(['id']);
    press(DIALOG.all);
    expect(list.value).toBeNull();
    list.dispose();
  });
});

describe('the style of the dialogs', () => {
  it('is given to a page and to a shadow root, once each', () => {
    const host = document.createElement('div');
    document.body.append(host);
    const root = host.attachShadow({ mode: 'open' });
    const inside = document.createElement('p');
    root.append(inside);
    for (let turn = 0; turn < 2; turn += 1) {
      adoptExportStyle(inside);
      adoptExportStyle(host);
    }
    expect(root.adoptedStyleSheets).toHaveLength(1);
    const [sheet] = root.adoptedStyleSheets;
    expect(document.adoptedStyleSheets.filter((one) => one === sheet)).toHaveLength(1);
    host.remove();
  });
});
