import { afterEach, describe, expect, it } from 'vitest';
import { FormatForm } from '../src/exporting/format_form';
import type { Offers, OptionOffer } from '../src/exporting/offers';
import { EXPORT_WORDS, type ExportWords } from '../src/exporting/words';

const words = EXPORT_WORDS.en as ExportWords;

function option(name: string, changes: Partial<OptionOffer> = {}): OptionOffer {
  const usual = {
    kinds: ['str'],
    optional: false,
    default: '',
    choices: [],
    about: `What ${name}`,
  };
  return { name, ...usual, ...changes };
}

const OFFERS: Offers = {
  packings: ['.gz', '.zst'],
  formats: [
    {
      name: 'csv',
      endings: ['.csv'],
      packable: true,
      missing: null,
      options: [
        option('delimiter', { default: ',' }),
        option('header', { kinds: ['bool'], default: true }),
        option('null'),
        option('float_precision', { kinds: ['int'], optional: true, default: null }),
        option('encoding', { default: 'utf-8' }),
      ],
    },
    {
      name: 'parquet',
      endings: ['.parquet', '.pq'],
      packable: false,
      missing: null,
      options: [
        option('compression', { default: 'zstd', choices: ['zstd', 'snappy'], optional: true }),
      ],
    },
    { name: 'pdf', endings: ['.pdf'], packable: false, missing: 'pdf', options: [] },
    {
      name: 'theirs',
      endings: ['.t'],
      packable: false,
      missing: null,
      options: [option('odd_one')],
    },
  ],
};

afterEach(() => document.body.replaceChildren());

function shown() {
  let changes = 0;
  const form = new FormatForm({
    offers: OFFERS,
    words,
    choice: { format: 'csv', packing: '', name: 'sales.csv', options: {} },
    changed: () => {
      changes += 1;
    },
  });
  document.body.append(form.element);
  const labelled = <T extends HTMLElement>(label: string) => {
    const found = [...document.querySelectorAll('label')].find((one) => one.textContent === label);
    return document.getElementById(found?.htmlFor ?? '') as unknown as T;
  };
  const set = (label: string, value: string | boolean) => {
    const control = labelled<HTMLInputElement>(label);
    if (typeof value === 'boolean') control.checked = value;
    else control.value = value;
    control.dispatchEvent(new Event('change', { bubbles: true }));
  };
  return { form, labelled, set, changes: () => changes };
}

describe('the form', () => {
  it('sends nothing but what differs from what is usual', () => {
    const { form, set, changes } = shown();
    expect(form.value).toEqual({ format: 'csv', packing: '', name: 'sales.csv', options: {} });
    set('Delimiter', '\t');
    set('Column names in the first line', false);
    set('Decimal places', '3');
    expect(form.value.options).toEqual({ delimiter: '\t', header: false, float_precision: 3 });
    set('Decimal places', '');
    set('Delimiter', ',');
    set('Column names in the first line', true);
    expect(form.value.options).toEqual({});
    expect(changes()).toBe(6);
  });

  it('lets the name follow format and compression, unless it is of another kind', () => {
    const { form, set } = shown();
    set('Compression', '.gz');
    expect(form.value).toMatchObject({ packing: '.gz', name: 'sales.csv.gz' });
    set('Format', 'parquet');
    expect(form.value).toMatchObject({ format: 'parquet', packing: '', name: 'sales.parquet' });
    set('Name', 'own.dat');
    set('Format', 'csv');
    expect(form.value).toMatchObject({ format: 'csv', packing: '.gz', name: 'own.dat' });
  });

  it('offers what is not installed with the name of its extra, and not to be chosen', () => {
    const { labelled } = shown();
    const select = labelled<HTMLSelectElement>('Format');
    const pdf = [...select.options].find(({ value }) => value === 'pdf');
    expect(pdf?.disabled).toBe(true);
    expect(pdf?.text).toBe('PDF report — needs progresswidget[pdf]');
  });

  it('shows options of other packages by their own names, and hides those without a choice', () => {
    const { set, labelled } = shown();
    expect(labelled('encoding')).toBeNull();
    set('Format', 'theirs');
    expect(labelled('odd_one')).toBeInstanceOf(HTMLInputElement);
    set('Format', 'parquet');
    const compression = labelled<HTMLSelectElement>('Compression');
    expect(compression).not.toBeNull();
  });

  it('has a label for each control', () => {
    const { form } = shown();
    for (const control of form.element.querySelectorAll('input, select')) {
      expect((control as HTMLInputElement).labels?.length).toBe(1);
    }
  });
});
