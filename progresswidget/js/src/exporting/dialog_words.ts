/** What the dialog in a notebook says besides the form. */

import type { Messages } from '../i18n';
import { rowWord } from '../i18n/english';

export interface DialogWords {
  readonly label: string;
  readonly columns: string;
  readonly chosen: (count: string, of: string) => string;
  readonly search: string;
  readonly all: string;
  readonly none: string;
  readonly noColumn: string;
  readonly unknown: string;
  readonly where: string;
  readonly whereHint: string;
  readonly preview: string;
  readonly moreColumns: (count: string) => string;
  readonly noRows: string;
  readonly later: string;
  readonly asking: string;
  readonly busy: string;
  readonly noKernel: string;
  readonly rows: (count: string) => string;
  readonly unknownRows: string;
  readonly size: (size: string) => string;
  readonly about: (size: string) => string;
  readonly unknownSize: string;
  readonly replace: string;
  readonly code: string;
  readonly copy: string;
  readonly copied: string;
  readonly missing: string;
}

const ENGLISH: DialogWords = {
  label: 'Export',
  columns: 'Columns',
  chosen: (count, of) => `${count} of ${of}`,
  search: 'Search columns',
  all: 'All',
  none: 'None',
  noColumn: 'Choose at least one column.',
  unknown: 'The columns are known when the export runs.',
  where: 'Filter (SQL)',
  whereHint: 'price > 10 AND name IS NOT NULL, or SELECT … FROM data',
  preview: 'Preview',
  moreColumns: (count) => `and ${count} more ${count === '1' ? 'column' : 'columns'}`,
  noRows: 'No row matches.',
  later: 'This can be read once, so there is no preview.',
  asking: 'Reading the first rows…',
  busy: 'The kernel is busy. The preview follows when it has time.',
  noKernel: 'There is no kernel behind this dialog any more. Run its cell again.',
  rows: (count) => `${count} ${rowWord(count)}`,
  unknownRows: 'Number of rows unknown',
  size: (size) => size,
  about: (size) => `about ${size}`,
  unknownSize: 'size unknown',
  replace: 'Replace the file that is there',
  code: 'The same as code',
  copy: 'Copy',
  copied: 'Copied',
  missing: 'pip install',
};

const CHINESE: DialogWords = {
  label: '导出',
  columns: '列',
  chosen: (count, of) => `${count} / ${of}`,
  search: '搜索列',
  all: '全选',
  none: '全不选',
  noColumn: '请至少选择一列。',
  unknown: '导出运行时才能知道有哪些列。',
  where: '筛选（SQL）',
  whereHint: 'price > 10 AND name IS NOT NULL，或 SELECT … FROM data',
  preview: '预览',
  moreColumns: (count) => `另有 ${count} 列`,
  noRows: '没有符合条件的行。',
  later: '此数据只能读取一次，因此没有预览。',
  asking: '正在读取前几行…',
  busy: '内核正忙，空闲后会显示预览。',
  noKernel: '此对话框的内核已不存在。请重新运行其单元格。',
  rows: (count) => `${count} 行`,
  unknownRows: '行数未知',
  size: (size) => size,
  about: (size) => `约 ${size}`,
  unknownSize: '大小未知',
  replace: '替换已有文件',
  code: '等效代码',
  copy: '复制',
  copied: '已复制',
  missing: 'pip install',
};

/** Every table, for a test that looks for what one of them lacks. */
export const DIALOG_WORDS: Readonly<Record<string, DialogWords>> = { en: ENGLISH, zh: CHINESE };

export function dialogWords({ locale }: Messages): DialogWords {
  return locale.startsWith('zh') ? CHINESE : ENGLISH;
}
