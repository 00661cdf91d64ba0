/** How much of the server's disk is used, as the foot of the panel says it. */

import type { Messages } from '../../i18n';
import type { DiskPart, LabWords } from '../../i18n/lab';
import type { Server } from '../../server';
import { formatBytes } from '../../view/format';

export type DiskUse = Readonly<Record<DiskPart, number>>;

/** Milliseconds after a change in which more of them are waited for. */
const SETTLE = 1_500;
/** The server looks anew after 5 s at the earliest: who asks sooner hears the old figure once more. */
const EVERY = 7_500;

const PARTS: readonly DiskPart[] = ['files', 'leftovers', 'uploads', 'state'];

/** Read what `api/health` says of the disk; null where it says nothing, as older servers do. */
export function diskUseOf(health: unknown): DiskUse | null {
  const disk = (health as { disk?: unknown } | null)?.disk;
  if (typeof disk !== 'object' || disk === null) return null;
  const read = (part: DiskPart) => {
    const value = (disk as Record<string, unknown>)[part];
    return typeof value === 'number' && value >= 0 ? value : 0;
  };
  return Object.fromEntries(PARTS.map((part) => [part, read(part)])) as DiskUse;
}

/** Null where nothing is used that a person would want to know of. */
export function diskText(
  use: DiskUse,
  words: LabWords,
  { locale }: Messages,
): { readonly text: string; readonly title: string } | null {
  const { files, leftovers, uploads } = use;
  if (files + leftovers + uploads === 0) return null;
  const size = (value: number) => formatBytes(value, locale);
  return {
    text: words.disk(size(files + leftovers + uploads)),
    title: PARTS.filter((part) => use[part] > 0)
      .map((part) => words.diskParts[part](size(use[part])))
      .join('\n'),
  };
}

export async function fetchDiskUse(server: Server, signal: AbortSignal): Promise<DiskUse | null> {
  try {
    const response = await server.request(`${server.base}api/health`, { method: 'GET', signal });
    return diskUseOf(await response.json());
  } catch {
    return null;
  }
}

/** Looks at the disk when something has changed, while somebody sees it. */
export class DiskWatch {
  readonly #look: () => Promise<void>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(
    fetch: () => Promise<DiskUse | null>,
    show: (use: DiskUse | null) => void,
    signal: AbortSignal,
  ) {
    this.#look = async () => {
      this.#timer = undefined;
      this.#looked = performance.now();
      const use = await fetch();
      if (!signal.aborted) show(use);
    };
    signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  lookSoon(): void {
    const since = performance.now() - this.#looked;
    this.#timer ??= setTimeout(() => void this.#look(), Math.max(SETTLE, EVERY - since));
  }

  lookNow(): void {
    clearTimeout(this.#timer);
    void this.#look();
  }
}
