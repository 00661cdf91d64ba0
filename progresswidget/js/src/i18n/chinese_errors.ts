/**
 * What an error of the engine is about, by its code. With what `chinese.ts` and `lab/chinese.ts` say
 * whole it is the twin of `CHINESE_ERRORS` in `texts.py`.
 */
export const CHINESE_ERRORS: Readonly<Record<string, string>> = {
  'unsupported-source': '给出的对象不是可以导出的表格。',
  'unsupported-format': '没有与该文件名后缀或格式名对应的写入器。',
  'bad-option': '某个选项不存在，或者它的值不被接受。',
  'bad-column': '某一列的名称、类型或值无法写入该格式。',
  'bad-destination': '无法在指定位置写入文件。',
  'destination-exists': '文件已存在，且未允许覆盖。',
  'destination-busy': '另一个导出正在写入该文件。',
  'lease-lost': '该文件已由另一个导出接管。',
  'source-failed': '读取数据时出错。',
  'source-changed': '读取期间数据发生了变化。',
  'missing-extra': '缺少一个可选的程序库。',
  'not-sent': '文件写在内核所在的机器上，未能发送到服务器。',
  'bad-state': '任务目前的状态下没有这样的结果。',
  'no-link': '无法建立或撤销该文件的链接。',
  'transfer-failed': '传输失败。',
  'transfer-refused': '服务器拒绝了请求。',
  'digest-wrong': '收到的内容与校验值不符。',
  'loop-cancelled': '循环已取消。',
  'delivery-lost': '另一个进程已接管这次交付。',
  failed: '程序出现了意料之外的错误。',
};
