/**
 * What the bar says: one table a language, each complete by its type.
 *
 * The kernel's twin for the terminal and the saved notebook is `progresswidget/texts.py`.
 */

import type { FailureKey } from './actions';
import type { TransferButton } from './icons';
import type { Action, JobError, Phase, Status } from './protocol';
import type { OfflineReason } from './socket';
import type { TransferFailure } from './transfer';
import type { Direction } from './transfer_presentation';

type ErrorText = Pick<JobError, 'message' | 'hint'>;

export interface Messages {
  /** A BCP 47 tag, for `lang` and `Intl`. */
  readonly locale: string;
  readonly label: (name: string, kind: string) => string;
  readonly connecting: string;
  readonly status: Readonly<Record<Exclude<Status, 'running'>, string>>;
  readonly phase: Readonly<Record<Phase, string>>;
  readonly action: Readonly<Record<Action | 'download' | 'follow' | 'save' | 'reconnect', string>>;
  readonly pending: Readonly<Record<Action | 'download' | 'follow' | 'save', string>>;
  readonly rows: (count: string) => string;
  readonly rowsOf: (count: string, total: string) => string;
  /** How many of the rows were there already. */
  readonly reused: (count: string) => string;
  readonly rate: (rows: string) => string;
  /** The same of a transfer, in bytes. */
  readonly sizeOf: (size: string, total: string) => string;
  readonly reusedSize: (size: string) => string;
  readonly speed: (size: string) => string;
  readonly left: (time: string) => string;
  readonly elapsed: (time: string) => string;
  readonly digest: (start: string) => string;
  readonly reconnecting: (attempt: number, of: number) => string;
  readonly offline: Readonly<Record<OfflineReason, string>>;
  /** Shown in place of the buttons where the kernel could not hear them. */
  readonly stopByHand: string;
  readonly failure: Readonly<Record<FailureKey, string>>;
  readonly transfer: TransferMessages;
  /** Of the thin bar: what left the server for a download that is not this page's. */
  readonly received: {
    readonly label: (name: string) => string;
    readonly running: (bytes: string) => string;
    readonly complete: (bytes: string) => string;
    readonly stopped: (bytes: string) => string;
  };
  readonly upload: UploadMessages;
  /** By the code of a job's error; any other code is shown in the server's own words. */
  readonly error: Readonly<
    Record<
      | 'kernel-died'
      | 'kernel-restarted'
      | 'kernel-stopped'
      | 'kernel-silent'
      | 'process-died'
      | 'keyboard-interrupt'
      | 'unknown-task',
      ErrorText
    >
  >;
}

/** Of one file on its way between the server and this computer. */
export interface TransferMessages {
  readonly label: Readonly<Record<Direction, (name: string) => string>>;
  readonly starting: string;
  readonly checking: string;
  readonly paused: string;
  readonly failed: string;
  readonly running: Readonly<Record<Direction, string>>;
  readonly done: Readonly<Record<Direction, string>>;
  readonly verified: Readonly<Record<Direction, string>>;
  readonly waiting: (attempt: number, of: number) => string;
  readonly bytesOf: (bytes: string, total: string) => string;
  readonly rate: (bytes: string) => string;
  readonly action: Readonly<Record<TransferButton, string>>;
  readonly failure: Readonly<Record<TransferFailure, string>>;
}

/** Of the uploads in the file browser. */
export interface UploadMessages {
  readonly command: string;
  readonly caption: string;
  readonly list: string;
  readonly replaceTitle: string;
  readonly replaceBody: (name: string) => string;
  readonly replace: string;
  readonly keep: string;
  /** Of the command palette: JupyterLab's own word, so that they stand together. */
  readonly category: string;
}

const RUN_AGAIN = 'Run the cell again to export from the beginning.';
const RUN_ON = 'Run the cell again: the export goes on after what was written whole.';

export const ENGLISH: Messages = {
  locale: 'en',
  label: (name, kind) =>
    kind === 'download'
      ? `Download of ${name}`
      : kind === 'upload'
        ? `Upload of ${name}`
        : `Export of ${name}`,
  connecting: 'Connecting',
  status: {
    queued: 'Waiting',
    paused: 'Paused',
    done: 'Done',
    failed: 'Failed',
    cancelled: 'Cancelled',
    interrupted: 'Interrupted',
  },
  phase: {
    starting: 'Starting',
    hashing: 'Comparing',
    reading: 'Reading',
    writing: 'Writing',
    compressing: 'Compressing',
    finishing: 'Finishing',
    connecting: 'Connecting',
    waiting: 'Waiting for the server',
    receiving: 'Receiving',
    sending: 'Sending',
    verifying: 'Verifying',
  },
  action: {
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel',
    download: 'Download',
    follow: 'Download while it is written',
    save: 'Save and resume',
    reconnect: 'Reconnect',
  },
  pending: {
    pause: 'Pausing…',
    resume: 'Resuming…',
    cancel: 'Cancelling…',
    download: 'Asking…',
    follow: 'Asking…',
    save: 'Choosing…',
  },
  rows: (count) => `${count} rows`,
  rowsOf: (count, total) => `${count} of ${total} rows`,
  reused: (count) => `${count} kept`,
  rate: (rows) => `${rows} rows/s`,
  sizeOf: (size, total) => `${size} of ${total}`,
  reusedSize: (size) => `${size} kept`,
  speed: (size) => `${size}/s`,
  left: (time) => `${time} left`,
  elapsed: (time) => time,
  digest: (start) => `sha-256 ${start}…`,
  reconnecting: (attempt, of) => `Reconnecting, ${attempt} of ${of}`,
  offline: {
    unreachable: 'Offline: the server does not answer',
    absent: 'This server has no progresswidget extension',
    login: 'Your login has ended: log in again and reload',
    forbidden: 'You may not see this export on this server',
    version: 'The page is older than the server: reload it',
    refused: 'The server refused the connection',
  },
  stopByHand: 'Stop with the notebook’s ■ button',
  failure: {
    unreachable: 'The server cannot be reached. Try again in a moment.',
    login: 'Your login has ended. Log in again and reload the page.',
    forbidden: 'You may not do this on this server.',
    ended: 'The export has ended already.',
    unknownJob: 'This server does not know this export any more.',
    notReady: 'The file is not complete yet.',
    fileGone: 'The file is not there any more, or has changed since. Run the cell again.',
    refused: 'The server refused.',
  },
  transfer: {
    label: { save: (name) => `Saving of ${name}`, upload: (name) => `Upload of ${name}` },
    starting: 'Asking the server',
    checking: 'Checking what is there',
    paused: 'Paused',
    failed: 'Stopped',
    running: { save: 'Saving', upload: 'Uploading' },
    done: { save: 'Saved', upload: 'Uploaded' },
    verified: { save: 'Saved and verified', upload: 'Uploaded and verified' },
    waiting: (attempt, of) => `Trying again, ${attempt} of ${of}`,
    bytesOf: (bytes, total) => `${bytes} of ${total}`,
    rate: (bytes) => `${bytes}/s`,
    action: {
      pause: 'Pause',
      resume: 'Continue',
      again: 'Begin again',
      cancel: 'Cancel',
      dismiss: 'Close',
    },
    failure: {
      unreachable: 'The server cannot be reached. Continue when the network is back.',
      login: 'Your login has ended. Log in again, then continue.',
      forbidden: 'You may not do this on this server.',
      missing: 'The server has no such file any more.',
      conflict: 'The server is busy with this file. Continue in a moment.',
      gone: 'The file was replaced or deleted on the server. Run the cell again.',
      changed: 'The file on the server is not the one that was begun.',
      notReady: 'The server is not ready. Continue in a moment.',
      refused: 'The server refused.',
      tooLarge: 'The file is larger than the server takes.',
      serverFull: 'The disk of the server is full. Make room there, then continue.',
      exists: 'The folder has a file of this name already.',
      diskFull: 'The disk of this computer is full. Make room, then continue.',
      noPermission: 'The browser may not use the file. Continue, and allow it.',
      localGone: 'The file on this computer was moved or deleted.',
      otherFile: 'That is not the file that was begun. Continue with the same one.',
      notPicked: 'Continue, and choose the same file again.',
      damaged: 'What arrived is not what the server has, and was thrown away.',
      elsewhere: 'Another page of this browser works on this file.',
    },
  },
  received: {
    label: (name) => `Download of ${name}`,
    running: (bytes) => `Received ${bytes}`,
    complete: (bytes) => `Received, ${bytes}`,
    stopped: (bytes) => `Download stopped at ${bytes}`,
  },
  upload: {
    command: 'Upload (Resumable)…',
    caption: 'Upload files of any size, and go on after a lost network or a reload',
    list: 'Uploads',
    replaceTitle: 'Replace the file?',
    replaceBody: (name) => `“${name}” is in this folder already.`,
    replace: 'Replace',
    keep: 'Cancel',
    category: 'File Operations',
  },
  error: {
    'kernel-died': { message: 'The kernel died.', hint: RUN_ON },
    'kernel-restarted': { message: 'The kernel was restarted.', hint: RUN_ON },
    'kernel-stopped': { message: 'The kernel was shut down.', hint: RUN_ON },
    'process-died': { message: 'The exporting process ended.', hint: RUN_ON },
    'kernel-silent': { message: 'Nothing is heard from the exporting process.', hint: RUN_ON },
    'keyboard-interrupt': { message: 'Stopped from the notebook.', hint: RUN_AGAIN },
    'unknown-task': {
      message:
        'This server does not know the export; it was still running when the notebook was saved.',
      hint: RUN_ON,
    },
  },
};

const RUN_AGAIN_CHINESE = '重新运行该单元格即可从头导出。';
const RUN_ON_CHINESE = '重新运行该单元格：导出会从已完整写入的部分继续。';

export const CHINESE: Messages = {
  locale: 'zh',
  label: (name, kind) =>
    kind === 'download' ? `下载 ${name}` : kind === 'upload' ? `上传 ${name}` : `导出 ${name}`,
  connecting: '正在连接',
  status: {
    queued: '等待中',
    paused: '已暂停',
    done: '已完成',
    failed: '失败',
    cancelled: '已取消',
    interrupted: '已中断',
  },
  phase: {
    starting: '正在启动',
    hashing: '正在比对',
    reading: '正在读取',
    writing: '正在写入',
    compressing: '正在压缩',
    finishing: '正在收尾',
    connecting: '正在连接',
    waiting: '正在等待服务器',
    receiving: '正在接收',
    sending: '正在发送',
    verifying: '正在校验',
  },
  action: {
    pause: '暂停',
    resume: '继续',
    cancel: '取消',
    download: '下载',
    follow: '边写边下载',
    save: '保存（可续传）',
    reconnect: '重新连接',
  },
  pending: {
    pause: '正在暂停…',
    resume: '正在继续…',
    cancel: '正在取消…',
    download: '正在确认…',
    follow: '正在确认…',
    save: '正在选择…',
  },
  rows: (count) => `${count} 行`,
  rowsOf: (count, total) => `${count} / ${total} 行`,
  reused: (count) => `沿用 ${count} 行`,
  rate: (rows) => `${rows} 行/秒`,
  sizeOf: (size, total) => `${size} / ${total}`,
  reusedSize: (size) => `沿用 ${size}`,
  speed: (size) => `${size}/秒`,
  left: (time) => `剩余 ${time}`,
  elapsed: (time) => time,
  digest: (start) => `sha-256 ${start}…`,
  reconnecting: (attempt, of) => `正在重新连接（第 ${attempt} 次，共 ${of} 次）`,
  offline: {
    unreachable: '离线：服务器没有响应',
    absent: '此服务器没有 progresswidget 扩展',
    login: '登录已失效：请重新登录并刷新页面',
    forbidden: '您无权在此服务器上查看此导出',
    version: '页面版本比服务器旧：请刷新页面',
    refused: '服务器拒绝了连接',
  },
  stopByHand: '请用笔记本的 ■ 按钮停止',
  failure: {
    unreachable: '无法连接服务器，请稍后再试。',
    login: '登录已失效，请重新登录并刷新页面。',
    forbidden: '您无权在此服务器上执行此操作。',
    ended: '导出已经结束。',
    unknownJob: '服务器已没有此导出的记录。',
    notReady: '文件尚未写完。',
    fileGone: '文件已不存在，或之后被更改。请重新运行该单元格。',
    refused: '服务器拒绝了请求。',
  },
  transfer: {
    label: { save: (name) => `保存 ${name}`, upload: (name) => `上传 ${name}` },
    starting: '正在询问服务器',
    checking: '正在核对已有内容',
    paused: '已暂停',
    failed: '已停止',
    running: { save: '正在保存', upload: '正在上传' },
    done: { save: '已保存', upload: '已上传' },
    verified: { save: '已保存，已校验', upload: '已上传，已校验' },
    waiting: (attempt, of) => `正在重试（第 ${attempt} 次，共 ${of} 次）`,
    bytesOf: (bytes, total) => `${bytes}，共 ${total}`,
    rate: (bytes) => `每秒 ${bytes}`,
    action: {
      pause: '暂停',
      resume: '继续',
      again: '重新开始',
      cancel: '取消',
      dismiss: '关闭',
    },
    failure: {
      unreachable: '无法连接服务器。网络恢复后请点“继续”。',
      login: '登录已失效。请重新登录，然后继续。',
      forbidden: '您无权在此服务器上执行此操作。',
      missing: '服务器上已没有这个文件。',
      conflict: '服务器正在处理这个文件，请稍后继续。',
      gone: '服务器上的文件已被替换或删除。请重新运行该单元格。',
      changed: '服务器上的文件已不是开始时的那一个。',
      notReady: '服务器尚未就绪，请稍后继续。',
      refused: '服务器拒绝了请求。',
      tooLarge: '文件超过了服务器允许的大小。',
      serverFull: '服务器磁盘已满。请先在服务器上腾出空间，再继续。',
      exists: '该文件夹中已有同名文件。',
      diskFull: '本机磁盘已满。请先腾出空间，再继续。',
      noPermission: '浏览器未获准使用该文件。请点“继续”并允许访问。',
      localGone: '本机上的文件已被移动或删除。',
      otherFile: '这不是开始时的那个文件，请选择同一个文件继续。',
      notPicked: '请点“继续”，并再次选择同一个文件。',
      damaged: '收到的内容与服务器上的不一致，已丢弃。',
      elsewhere: '此浏览器的另一个页面正在处理这个文件。',
    },
  },
  received: {
    label: (name) => `下载 ${name}`,
    running: (bytes) => `已接收 ${bytes}`,
    complete: (bytes) => `已全部接收，${bytes}`,
    stopped: (bytes) => `下载停在 ${bytes}`,
  },
  upload: {
    command: '上传（可续传）…',
    caption: '上传任意大小的文件，断网或刷新页面后可继续',
    list: '上传',
    replaceTitle: '替换文件？',
    replaceBody: (name) => `此文件夹中已有“${name}”。`,
    replace: '替换',
    keep: '取消',
    category: '文件操作',
  },
  error: {
    'kernel-died': { message: '内核已崩溃。', hint: RUN_ON_CHINESE },
    'kernel-restarted': { message: '内核已重启。', hint: RUN_ON_CHINESE },
    'kernel-stopped': { message: '内核已关闭。', hint: RUN_ON_CHINESE },
    'process-died': { message: '导出进程已结束。', hint: RUN_ON_CHINESE },
    'kernel-silent': { message: '收不到导出进程的消息。', hint: RUN_ON_CHINESE },
    'keyboard-interrupt': { message: '已从笔记本停止。', hint: RUN_AGAIN_CHINESE },
    'unknown-task': {
      message: '此服务器没有该导出的记录；保存笔记本时它仍在运行。',
      hint: RUN_ON_CHINESE,
    },
  },
};

/**
 * Choose the table: the host's own language first, then the page's, then the browser's.
 *
 * @param languages Tags such as `en`, `zh_CN` or `zh-Hans`, most wanted first; empty ones and
 *   `default` say nothing.
 */
export function messagesFor(...languages: readonly (string | null | undefined)[]): Messages {
  for (const language of languages) {
    if (!language || language === 'default') continue;
    return /^zh\b|^zh_/i.test(language) ? CHINESE : ENGLISH;
  }
  return ENGLISH;
}

/** The words for a job's error in this language, or the server's own. */
export function errorText(messages: Messages, error: JobError): ErrorText {
  return Object.hasOwn(messages.error, error.code)
    ? messages.error[error.code as keyof Messages['error']]
    : error;
}
