/** What JupyterLab says of exports, in English. */

import type { LabWords } from './words';

const failedWords = (name: string, count: number) =>
  count === 1 ? `${name} failed` : `${name} and ${count - 1} more failed`;

export const LAB_ENGLISH: LabWords = {
  title: 'Exports',
  search: 'Search',
  running: 'Running',
  all: 'All',
  states: 'Show jobs by state',
  sort: 'Sort by',
  order: { newest: 'Newest', name: 'Name', size: 'Size', state: 'State' },
  list: 'Exports',
  loading: 'Asking the server…',
  empty: 'Nothing here yet',
  emptyHint: 'Run a cell like this one, and its progress and its file appear here:',
  nothing: 'Nothing matches.',
  nothingOfNotebook: 'This notebook has no exports yet.',
  showAll: 'Show All',
  command: {
    open: 'Show Exports',
    notebook: 'Show Exports of This Notebook',
    pauseAll: 'Pause All Jobs',
    resumeAll: 'Resume All Jobs',
    clear: 'Clear Finished Jobs…',
  },
  caption: {
    open: 'Show all exports, transfers and loops, with their progress and their files',
    notebook: 'Exports of this notebook',
    pauseAll: 'Pause every job that runs',
    resumeAll: 'Go on with every job that is paused',
    clear: 'Take jobs that have ended off the list',
  },
  choice: {
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel',
    download: 'Download',
    link: 'Copy Temporary Link…',
    show: 'Show in File Browser',
    notebook: 'Open Notebook',
    retry: 'Run Cell Again',
    again: 'Continue',
    forget: 'Remove from List',
  },
  clearTitle: 'Clear finished jobs?',
  clearBody: (count) =>
    count === '1'
      ? 'One job that has ended leaves the list. Files stay.'
      : `${count} jobs that have ended leave the list. Files stay.`,
  clear: 'Clear',
  alsoLeftovers: (size) =>
    `Also delete what unfinished exports have left (${size}). They start again then.`,
  cancel: 'Cancel',
  disk: (size) => `${size} used`,
  diskParts: {
    files: (size) => `Exported files: ${size}`,
    leftovers: (size) => `Unfinished exports: ${size}`,
    uploads: (size) => `Unfinished uploads: ${size}`,
    state: (size) => `Records: ${size}`,
  },
  active: (count) => (count === 1 ? '1 job' : `${count} jobs`),
  more: (count) => `and ${count} more…`,
  cancelAll: 'Cancel All',
  cancelAllBody: 'Cancel every job that runs? What exports have written so far is kept.',
  notice: {
    done: (name, facts) => `${name} is ready: ${facts}`,
    over: (name) => `${name} is done.`,
    failed: (name, why) => `${name} has failed. ${why}`,
    interrupted: (name, why) => `${name} was interrupted. ${why}`,
    show: 'Show',
  },
  noCell: 'The cell that made this is not in the notebook any more.',
  failed: 'That did not work',
  close: 'Close',
  schemas: {
    filesTitle: 'Downloads, Archives and Links',
    filesDescription: 'What progresswidget adds to the context menu of the file browser.',
    uploadsTitle: 'Resumable Uploads',
    uploadsDescription: 'Uploads of progresswidget in the file browser.',
    dropFromTitle: 'Dropped files',
    dropFromDescription:
      "Megabytes from which on files that are dropped into the file browser are uploaded resumably; 0 for all files, -1 for none. JupyterLab's own upload takes the others. Folders are uploaded resumably unless it is -1.",
    exportAsTitle: 'Export As',
    exportAsDescription: 'Tables of the file browser as files of other formats.',
    exportsTitle: 'Exports',
    exportsDescription:
      'The panel with all exports, transfers and loops, notifications of them, the status bar and the Running panel.',
    noticesTitle: 'Notifications',
    noticesDescription: 'Whether to show a notification when a job ends.',
    noticeAfterTitle: 'Notify after (seconds)',
    noticeAfterDescription: 'Only jobs that have taken at least so many seconds are notified of.',
    noticeHiddenTitle: 'Notify while the page is hidden',
    noticeHiddenDescription:
      'Whether to notify of every job, however short, that ends while nobody looks at the page.',
    statusBarTitle: 'Progress in the status bar',
    statusBarDescription:
      'Whether to show in the status bar how far all running jobs are together.',
    runningTitle: 'Exports in the Running panel',
    runningDescription:
      'Whether to list exports, transfers and loops beside the running terminals and kernels.',
    orderTitle: 'Sort by',
    orderDescription: 'How to sort the jobs in the panel.',
    newest: 'Newest',
    name: 'Name',
    size: 'Size',
    state: 'State',
  },
  upload: {
    said: {
      label: (name) => `Upload of ${name}`,
      running: 'Uploading',
      done: 'Uploaded',
      verified: 'Uploaded and verified',
    },
    command: 'Upload (Resumable)…',
    caption: 'Upload files of any size, and go on after a lost network or a reload',
    list: 'Uploads',
    replaceTitle: 'Replace the file?',
    replaceBody: (name) => `“${name}” is in this folder already.`,
    mergeTitle: 'Replace files?',
    mergeBody: (name, count) =>
      count === 1
        ? `One file of “${name}” is there already. Other files in the folder stay.`
        : `${count} files of “${name}” are there already. Other files in the folder stay.`,
    facts: ({ done, files, leftOut, failed }) =>
      [
        files === 1 ? `${done} of 1 file` : `${done} of ${files} files`,
        ...(failed ? [failedWords(failed.name, failed.count)] : []),
        ...(leftOut > 0 ? [`${leftOut} hidden or unreadable left out`] : []),
      ].join(' · '),
    tooMany: (name, most) =>
      `“${name}” has more than ${most} files and folders. Upload it as one archive.`,
    readOnly: 'The server may not write into this folder.',
    replace: 'Replace',
    both: 'Keep Both',
    cancel: 'Cancel',
    category: 'File Operations',
    failure: {
      tooLarge: 'The file is larger than the server takes.',
      serverFull: 'The disk of the server is full. Make room there, then continue.',
      quota:
        'Your unfinished uploads fill your share of the server. Finish or cancel some, then continue.',
      exists: 'The folder has a file of this name already.',
      otherFile: 'That is not the file that was begun. Continue with the same one.',
      notPicked: 'Continue, and choose the same file or folder again.',
    },
  },
  files: {
    download: 'Download (Resumable)',
    saveCaption:
      'Save into a file of your choice, go on after a lost network or a reload, and verify it',
    downloadCaption: 'Download so that the browser can go on where it stopped',
    archiveFolder: 'Download Folder as ZIP',
    archive: 'Download as ZIP',
    archiveWhole: 'Download Current Folder as ZIP',
    archiveCaption: 'Download folders and files as one archive, packed while it is sent',
    link: 'Copy Temporary Link…',
    linkCaption: 'Copy a link that downloads this file without signing in, for a while',
    list: 'Downloads',
    linkTitle: 'Temporary link',
    linkBody: (name) =>
      `Whoever has the link can download “${name}” as it is now, without signing in.`,
    lifetime: 'Valid for',
    open: (count, time) =>
      count === 1
        ? `One link to this file is open until ${time}.`
        : `${count} links to this file are open, the last until ${time}.`,
    closeAll: (count) => (count === 1 ? 'Revoke the Link' : 'Revoke All Links'),
    closeOne: 'Revoke',
    copy: 'Copy Link',
    copiedTitle: 'Link copied',
    madeTitle: 'Link made',
    byHand: 'The browser does not let this page copy. Copy the link from here:',
    until: (name, time) => `It downloads “${name}” until ${time}, or until you revoke it.`,
    cancel: 'Cancel',
    close: 'Close',
    failed: 'That did not work',
    failure: {
      unreachable: 'The server cannot be reached. Try again in a moment.',
      login: 'Your login has ended. Log in again and reload the page.',
      forbidden: 'You may not read this on the server.',
      missing: 'The server does not have this any more.',
      tooMany: 'These are too many files for one archive: pick at most 500, or their folder.',
      tooLarge: 'The folder has too many files for one archive. Pick some of them.',
      busy: 'The server is packing other archives. Try again when one of them has ended.',
      tooManyLinks: 'Too many links are open. Revoke some, or wait until they expire.',
      noLinks: 'This server does not make such links.',
      refused: 'The server refused the request.',
    },
  },
  conversionError: {
    'server-stopped': {
      message: 'The server was shut down.',
      hint: 'Continue: it goes on where it can.',
    },
    'memory-limit': {
      message: 'It took more memory than the server allows.',
      hint: 'Choose a format that needs less, such as Parquet or CSV, or ask for a higher limit.',
    },
    'time-limit': {
      message: 'It took longer than the server allows.',
      hint: 'Continue: it goes on where it can.',
    },
  },
};
