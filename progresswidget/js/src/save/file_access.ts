/** The parts of the File System Access API that TypeScript does not know. */

export type PermissionMode = 'read' | 'readwrite';

interface Permitted {
  queryPermission?(descriptor: { mode: PermissionMode }): Promise<PermissionState>;
  requestPermission?(descriptor: { mode: PermissionMode }): Promise<PermissionState>;
  remove?(): Promise<void>;
}

interface SavePickerOptions {
  readonly id: string;
  readonly suggestedName: string;
  readonly startIn: 'downloads';
}

interface OpenPickerOptions {
  readonly id: string;
  readonly multiple: boolean;
}

interface Pickers {
  showSaveFilePicker?(options: SavePickerOptions): Promise<FileSystemFileHandle>;
  showOpenFilePicker?(options: OpenPickerOptions): Promise<FileSystemFileHandle[]>;
}

const pickers = (): Pickers => globalThis as Pickers;

/** Whether the page can write to files that a person picks, and remember them. */
export function canSave(): boolean {
  return typeof pickers().showSaveFilePicker === 'function' && 'indexedDB' in globalThis;
}

/** Ask for a place to save to; null where the person thinks better of it. Needs a click. */
export async function pickSaveFile(name: string): Promise<FileSystemFileHandle | null> {
  const options = { id: 'progresswidget', suggestedName: name, startIn: 'downloads' } as const;
  return await unlessDismissed(() => pickers().showSaveFilePicker?.(options));
}

/** Ask for files to read; null where the person dismisses, undefined where the API is missing. */
export async function pickFiles(
  multiple: boolean,
): Promise<FileSystemFileHandle[] | null | undefined> {
  if (typeof pickers().showOpenFilePicker !== 'function') return undefined;
  const options = { id: 'progresswidget', multiple } as const;
  return await unlessDismissed(() => pickers().showOpenFilePicker?.(options));
}

async function unlessDismissed<T>(pick: () => Promise<T> | undefined): Promise<T | null> {
  try {
    return (await pick()) ?? null;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return null;
    throw error;
  }
}

/** Whether a file or folder may be used now, without asking anybody. */
export async function isPermitted(file: FileSystemHandle, mode: PermissionMode) {
  const { queryPermission } = file as Permitted;
  return ((await queryPermission?.call(file, { mode })) ?? 'granted') === 'granted';
}

/** Ask the person for a file or folder of an earlier page, if the browser wants that. Needs a click. */
export async function requestAccess(file: FileSystemHandle, mode: PermissionMode) {
  if (await isPermitted(file, mode)) return true;
  const { requestPermission } = file as Permitted;
  return (await requestPermission?.call(file, { mode })) === 'granted';
}

/** Take a file away that is of no use; where the browser cannot, it stays. */
export async function removeFile(file: FileSystemFileHandle): Promise<void> {
  try {
    await (file as Permitted).remove?.();
  } catch {
    // Moved, open elsewhere or not ours any more: then it is not ours to take away.
  }
}
