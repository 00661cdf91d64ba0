import { afterEach, describe, expect, it, vi } from 'vitest';
import dialog from '../src/dialog';
import type { Column } from '../src/exporting/column_list';
import { DIALOG_WORDS, type DialogWords } from '../src/exporting/dialog_words';
import { ExportForm } from '../src/exporting/export_form';
import type { Offers } from '../src/exporting/offers';
import { adoptExportStyle } from '../src/exporting/stylesheet';
import { EXPORT_WORDS, type ExportWords } from '../src/exporting/words';
import { ENGLISH } from '../src/i18n';
import { movingIn, prefer } from './still';

const OFFERS: Offers = {
  packings: ['.gz'],
  formats: [
    { name: 'csv', endings: ['.csv'], packable: true, missing: null, options: [] },
    { name: 'parquet', endings: ['.parquet'], packable: false, missing: null, options: [] },
  ],
};
const COLUMNS: readonly Column[] = [
  ['id', 'int64'],
  ['name', 'string'],
  ['price', 'double'],
];

type Sent = Readonly<Record<string, unknown>>;
let form: ExportForm | undefined;

afterEach(() => {
  form?.dispose();
  document.body.replaceChildren();
  vi.useRealTimers();
});

function shown(columns: readonly Column[] | null = COLUMNS) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const sent: Sent[] = [];
  form = new ExportForm({
    offers: OFFERS,
    columns,
    path: 'sales.csv.gz',
    messages: ENGLISH,
    words: EXPORT_WORDS.en as ExportWords,
    dialogWords: DIALOG_WORDS.en as DialogWords,
    first: 0,
    send: (message) => sent.push(message),
  });
  document.body.append(form.element);
  form.start();
  const element = form.element;
  const one = <T extends HTMLElement>(selector: string) => element.querySelector(selector) as T;
  const type = (selector: string, value: string) => {
    const control = one<HTMLInputElement>(selector);
    control.value = value;
    control.dispatchEvent(new Event('input', { bubbles: true }));
  };
  return { form, sent, one, type, last: () => sent.at(-1) as Sent };
}

const PREVIEW = {
  columns: COLUMNS,
  more: 2,
  rows: [
    ['1', null, '2.5'],
    ['2', 'Anna', '3'],
  ],
  total: 2_000_000,
  bytes: 3_400_000,
  exact: false,
};

describe('the dialog', () => {
  it('begins with what the suggested path says', () => {
    const { last } = shown();
    expect(last()).toEqual({
      ask: {
        path: 'sales.csv.gz',
        format: 'csv.gz',
        columns: null,
        where: '',
        options: {},
        overwrite: false,
      },
      re: 1,
    });
  });

  it('shows rows, an honest size and the call, and copies the call', async () => {
    const { form, one } = shown();
    form.take({ re: 1, code: 'pw.export(df, "sales.csv")', preview: PREVIEW });
    const facts = one('.pw-preview-facts').textContent?.replace(/\s/g, ' ');
    expect(facts).toBe('2,000,000 rows · about 3.4 MB · and 2 more columns');
    const cells = [...form.element.querySelectorAll('tbody tr:first-child td')];
    expect(cells.map((cell) => cell.textContent)).toEqual(['1', 'null', '2.5']);
    expect(cells[1]?.className).toBe('pw-mod-null');
    expect(one('code').textContent).toBe('pw.export(df, "sales.csv")');
  });

  it('waits for a pause, and takes no late answer', () => {
    const { form, sent, type, one } = shown();
    for (const text of ['p', 'pr', 'price > 3']) type('textarea', text);
    expect(sent).toHaveLength(1);
    form.take({ re: 1, code: 'late', preview: PREVIEW });
    expect(one('code').textContent).toBe('');
    vi.advanceTimersByTime(400);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatchObject({ ask: { where: 'price > 3' } });
  });

  it('says an error in words and loses no input', () => {
    const { form, one, type, last } = shown();
    type('textarea', 'price >');
    vi.advanceTimersByTime(400);
    const error = { code: 'bad-option', message: 'The SQL cannot be used.', hint: 'Mend it.' };
    form.take({ re: last().re as number, error });
    expect(one('[role=alert]').textContent).toBe('The SQL cannot be used. Mend it.');
    expect(one<HTMLTextAreaElement>('textarea').value).toBe('price >');
  });

  it('says that the kernel is busy, and takes its answer afterwards', () => {
    const { form, one } = shown();
    vi.advanceTimersByTime(2_500);
    expect(one('.pw-preview-facts').textContent).toContain('kernel is busy');
    form.take({ re: 1, preview: PREVIEW });
    expect(one('.pw-preview-facts').textContent).toContain('2,000,000 rows');
  });

  it('exports once for a click, and asks before it replaces a file', () => {
    const { form, sent, one, last } = shown();
    const button = one<HTMLButtonElement>('.pw-mod-accept');
    button.click();
    button.click();
    expect(sent.filter((message) => 'export' in message)).toHaveLength(1);
    const error = { code: 'destination-exists', message: 'It is there.', hint: '' };
    form.take({ re: last().re as number, exporting: true, error, taken: true });
    const replace = one<HTMLInputElement>(':scope .pw-export-inputs > .pw-export-row input');
    expect(replace.closest<HTMLElement>('.pw-export-row')?.hidden).toBe(false);
    replace.checked = true;
    button.click();
    expect(last()).toMatchObject({ export: { overwrite: true } });
  });

  it('hears what became of an export although something was edited after it', () => {
    const { form, one, type, last } = shown();
    const button = one<HTMLButtonElement>('.pw-mod-accept');
    button.click();
    const exported = last().re as number;
    type('textarea', 'price > 3');
    vi.advanceTimersByTime(400);
    const asked = last().re as number;
    expect(last()).toHaveProperty('ask');
    const error = { code: 'destination-exists', message: 'It is there.', hint: '' };
    form.take({ re: exported, exporting: true, error, taken: true });
    expect(one('[role=alert]').textContent).toBe('It is there.');
    // The answer to the edit comes right after, and must not wipe it away.
    form.take({ re: asked, exporting: false, exists: true, preview: PREVIEW });
    expect(one('[role=alert]').textContent).toBe('It is there.');
    expect(one('[role=alert]').hidden).toBe(false);
    expect(one('.pw-preview-facts').textContent).toContain('2,000,000 rows');
    type('textarea', 'price > 4');
    vi.advanceTimersByTime(400);
    form.take({ re: last().re as number, preview: PREVIEW });
    expect(one('[role=alert]').hidden).toBe(true);
  });

  it('takes no second export before the first is answered, however busy the kernel is', () => {
    const { form, sent, one, type } = shown();
    const exports = () => sent.filter((message) => 'export' in message);
    const button = one<HTMLButtonElement>('.pw-mod-accept');
    button.click();
    vi.advanceTimersByTime(5_000);
    expect(one('.pw-preview-facts').textContent).toContain('kernel is busy');
    expect(button.disabled).toBe(true);
    form.take({ re: 1, preview: PREVIEW });
    type('textarea', 'price > 3');
    vi.advanceTimersByTime(5_000);
    expect(button.disabled).toBe(true);
    button.click();
    expect(exports()).toHaveLength(1);
    form.take({ re: exports()[0]?.re as number, exporting: true });
    expect(button.disabled).toBe(false);
    button.click();
    expect(exports()).toHaveLength(2);
  });

  it('keeps to its own export where another view of the dialog has one', () => {
    const { form, one, last } = shown();
    const button = one<HTMLButtonElement>('.pw-mod-accept');
    button.click();
    form.take({ re: (last().re as number) + 7, exporting: true });
    expect(button.disabled).toBe(true);
  });

  it('has other numbers in each view, so that what was answered before is no answer', () => {
    const sent: Sent[] = [];
    const traits: Record<string, unknown> = { offers: OFFERS, columns: COLUMNS, path: 'sales.csv' };
    const model = {
      get: (name: string) => traits[name],
      on: () => {},
      off: () => {},
      send: (message: Sent) => sent.push(message),
    };
    const show = () => {
      const el = document.createElement('div');
      const context = { model, el } as unknown as Parameters<typeof dialog.render>[0];
      return dialog.render(context);
    };
    for (const end of [show(), show()]) end();
    const [first, second] = sent;
    expect(first).toHaveProperty('ask');
    expect(second?.ask).toEqual(first?.ask);
    expect(second?.re).not.toBe(first?.re);
  });

  it('speaks of one row and of one column', () => {
    const { form, one } = shown();
    form.take({ re: 1, preview: { ...PREVIEW, more: 1, total: 1, exact: true } });
    const facts = one('.pw-preview-facts').textContent?.replace(/\s/g, ' ');
    expect(facts).toBe('1 row · 3.4 MB · and 1 more column');
  });

  it('keeps the order of the columns that are chosen, and needs one', () => {
    const { one, last, sent } = shown();
    const [all, none] = document.querySelectorAll<HTMLButtonElement>('.pw-columns-tools button');
    none?.click();
    vi.advanceTimersByTime(400);
    expect(one('[role=alert]').textContent).toBe('Choose at least one column.');
    expect(sent).toHaveLength(1);
    const search = one<HTMLInputElement>('[type=search]');
    search.value = 'I';
    search.dispatchEvent(new Event('input', { bubbles: true }));
    all?.click();
    vi.advanceTimersByTime(400);
    expect(last()).toMatchObject({ ask: { columns: ['id', 'price'] } });
    expect(one('.pw-columns-count').textContent).toBe('2 of 3');
  });

  it('stays quick with ten thousand columns', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => [`column ${at}`, 'int64'] as const);
    shown(many);
    expect(document.querySelectorAll('.pw-column').length).toBeLessThan(100);
    expect(document.querySelector('.pw-columns-count')?.textContent).toBe('10,000 of 10,000');
  });

  it('offers no columns and no preview of what can be read once', () => {
    const { form, one } = shown(null);
    form.take({ re: 1, code: 'pw.export(stream, "sales.csv")' });
    expect(one('.pw-preview-facts').textContent).toContain('read once');
    expect(document.querySelector('.pw-columns')).toBeNull();
  });

  it('says the same in each language', () => {
    const shape = (words: DialogWords | undefined) =>
      Object.entries(words ?? {}).map(([name, word]) => [name, typeof word]);
    expect(shape(DIALOG_WORDS.zh)).toEqual(shape(DIALOG_WORDS.en));
  });
});

it('stands still for who wants no motion', async () => {
  const { form } = shown();
  adoptExportStyle(form.element);
  try {
    await prefer(['prefers-reduced-motion', 'reduce']);
    expect(movingIn(document.body)).toEqual([]);
  } finally {
    await prefer();
  }
});
