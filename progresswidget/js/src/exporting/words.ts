/** What the dialogs for exporting say, in each language. */

import type { Messages } from '../i18n';
import type { ConversionFailureKey } from './conversions';

export interface ExportWords {
  readonly command: string;
  readonly caption: string;
  readonly title: (name: string) => string;
  readonly list: string;
  readonly format: string;
  readonly name: string;
  readonly packing: string;
  readonly unpacked: string;
  readonly more: string;
  readonly usual: string;
  readonly export: string;
  readonly cancel: string;
  readonly close: string;
  readonly again: string;
  readonly needs: (extra: string) => string;
  readonly noEngineTitle: string;
  readonly noEngine: string;
  readonly off: string;
  readonly fault: Readonly<Record<'empty' | 'slash', string>>;
  readonly failure: Readonly<Record<ConversionFailureKey, string>>;
  readonly formats: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly delimiters: Readonly<Record<string, string>>;
  readonly choices: Readonly<Record<string, string>>;
}

const ENGLISH: ExportWords = {
  command: 'Export As…',
  caption: 'Write this table as a file of another format, on the server and without a kernel',
  title: (name) => `Export “${name}”`,
  list: 'Exports',
  format: 'Format',
  name: 'Name',
  packing: 'Compression',
  unpacked: 'None',
  more: 'More options',
  usual: 'Default',
  export: 'Export',
  cancel: 'Cancel',
  close: 'Close',
  again: 'Continue',
  needs: (extra) => `needs progresswidget[${extra}]`,
  noEngineTitle: 'Nothing to export with',
  noEngine:
    'The environment of the server has no export engine. Install it there: pip install progresswidget',
  off: 'This server does not convert files.',
  fault: {
    empty: 'Give the file a name.',
    slash: 'A name must not contain a slash.',
  },
  failure: {
    unreachable: 'The server cannot be reached. Try again in a moment.',
    login: 'Your login has ended. Log in again and reload the page.',
    forbidden: 'You may not do this on the server.',
    missing: 'The file or its folder is not there any more.',
    exists: 'There is a file of this name already.',
    refusedName: 'The server does not take this name. Choose another one.',
    notWritable: 'The server may not write into this folder.',
    notData: 'This file cannot be read as a table.',
    same: 'A file cannot be exported into itself. Choose another name.',
    busy: 'Too many exports are waiting. Try again when some of them have ended.',
    off: 'This server does not convert files.',
    refused: 'The server refused the request.',
  },
  formats: {
    csv: 'CSV',
    tsv: 'TSV (tabs)',
    ndjson: 'JSON lines',
    json: 'JSON array',
    html: 'HTML table',
    markdown: 'Markdown table',
    parquet: 'Parquet',
    arrows: 'Arrow stream',
    feather: 'Feather (Arrow file)',
    orc: 'ORC',
    sqlite: 'SQLite database',
    duckdb: 'DuckDB database',
    pdf: 'PDF report',
    docx: 'Word report (DOCX)',
    xlsx: 'Excel workbook (XLSX)',
  },
  options: {
    delimiter: 'Delimiter',
    header: 'Column names in the first line',
    null: 'Missing values as',
    quote: 'Quotes',
    bom: 'Byte order mark, for Excel',
    line_terminator: 'Line ending',
    date_format: 'Dates as',
    datetime_format: 'Timestamps as',
    time_format: 'Times as',
    float_precision: 'Decimal places',
    decimal_comma: 'Decimal comma',
    spreadsheet_safe: 'Neutralise formulas',
    compression: 'Compression',
    compression_level: 'Compression level',
    row_group_size: 'Rows in a row group',
    statistics: 'Statistics',
    dictionary: 'Dictionary encoding',
    page_index: 'Page index',
    table: 'Table',
    title: 'Title',
    fragment: 'Only the table',
    row_limit: 'Rows at most',
    page_size: 'Paper',
    orientation: 'Orientation',
    header_style: 'Bold heading',
    freeze_header: 'Freeze the heading',
    autofilter: 'Filters',
    split_sheets: 'Continue on further sheets',
    sheet_name: 'Sheet',
  },
  delimiters: { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Pipe' },
  choices: {
    '\n': 'LF (Unix)',
    '\r\n': 'CRLF (Windows)',
    necessary: 'Where needed',
    always: 'Always',
    non_numeric: 'Around texts',
    never: 'Never',
    auto: 'Automatic',
    portrait: 'Portrait',
    landscape: 'Landscape',
    none: 'None',
  },
};

const CHINESE: ExportWords = {
  command: '导出为…',
  caption: '在服务器上将此表写成另一种格式的文件，不需要内核',
  title: (name) => `导出“${name}”`,
  list: '导出',
  format: '格式',
  name: '名称',
  packing: '压缩',
  unpacked: '无',
  more: '更多选项',
  usual: '默认',
  export: '导出',
  cancel: '取消',
  close: '关闭',
  again: '继续',
  needs: (extra) => `需要 progresswidget[${extra}]`,
  noEngineTitle: '无法导出',
  noEngine: '服务器环境中没有导出引擎。请在其中安装：pip install progresswidget',
  off: '此服务器不转换文件。',
  fault: {
    empty: '请输入文件名。',
    slash: '名称不能包含斜杠。',
  },
  failure: {
    unreachable: '无法连接服务器，请稍后重试。',
    login: '登录已失效，请重新登录并刷新页面。',
    forbidden: '您在服务器上没有此权限。',
    missing: '文件或其文件夹已不存在。',
    exists: '已有同名文件。',
    refusedName: '服务器不接受此名称，请换一个。',
    notWritable: '服务器无法写入此文件夹。',
    notData: '此文件无法作为表格读取。',
    same: '文件不能导出到自身，请换一个名称。',
    busy: '等待中的导出过多，请在部分结束后重试。',
    off: '此服务器不转换文件。',
    refused: '服务器拒绝了请求。',
  },
  formats: {
    csv: 'CSV',
    tsv: 'TSV（制表符）',
    ndjson: 'JSON Lines',
    json: 'JSON 数组',
    html: 'HTML 表格',
    markdown: 'Markdown 表格',
    parquet: 'Parquet',
    arrows: 'Arrow 流',
    feather: 'Feather（Arrow 文件）',
    orc: 'ORC',
    sqlite: 'SQLite 数据库',
    duckdb: 'DuckDB 数据库',
    pdf: 'PDF 报告',
    docx: 'Word 报告（DOCX）',
    xlsx: 'Excel 工作簿（XLSX）',
  },
  options: {
    delimiter: '分隔符',
    header: '首行为列名',
    null: '缺失值写作',
    quote: '引号',
    bom: '字节顺序标记（供 Excel 使用）',
    line_terminator: '换行符',
    date_format: '日期写作',
    datetime_format: '时间戳写作',
    time_format: '时间写作',
    float_precision: '小数位数',
    decimal_comma: '以逗号作小数点',
    spreadsheet_safe: '防止公式执行',
    compression: '压缩',
    compression_level: '压缩级别',
    row_group_size: '每个行组的行数',
    statistics: '统计信息',
    dictionary: '字典编码',
    page_index: '页索引',
    table: '数据表',
    title: '标题',
    fragment: '仅表格',
    row_limit: '最多行数',
    page_size: '纸张',
    orientation: '方向',
    header_style: '表头加粗',
    freeze_header: '冻结表头',
    autofilter: '筛选',
    split_sheets: '续写到后续工作表',
    sheet_name: '工作表',
  },
  delimiters: { ',': '逗号', ';': '分号', '\t': '制表符', '|': '竖线' },
  choices: {
    '\n': 'LF（Unix）',
    '\r\n': 'CRLF（Windows）',
    necessary: '需要时',
    always: '总是',
    non_numeric: '仅文本',
    never: '从不',
    auto: '自动',
    portrait: '纵向',
    landscape: '横向',
    none: '无',
  },
};

/** Every table, for a test that looks for what one of them lacks. */
export const EXPORT_WORDS: Readonly<Record<string, ExportWords>> = { en: ENGLISH, zh: CHINESE };

export function exportWords({ locale }: Messages): ExportWords {
  return locale.startsWith('zh') ? CHINESE : ENGLISH;
}
