/**
 * Who writes into a document that several pages share.
 *
 * Two pages that replace the same output at once leave two of it: the merge keeps what each of them
 * has put in. So one of them writes, the same by everybody's reckoning, and only what nobody has
 * written by itself a moment later: the page that ran the cell gets its outputs from the kernel.
 */

/** Milliseconds for which a page waits for what another may write. */
export const GRACE = 2_000;
/** The same for the end of a job: a kernel that is restarted takes two seconds to write it. */
export const END_GRACE = 5_000;

const FIELD = 'progresswidget';

/** What Yjs calls awareness: a small state of each page that has the document open. */
export interface Awareness {
  readonly clientID: number;
  getStates(): ReadonlyMap<number, unknown>;
  setLocalStateField(field: string, value: unknown): void;
}

/** What is needed of a notebook's model. */
export interface SharedModel {
  readonly collaborative?: boolean;
  readonly sharedModel?: { readonly awareness?: unknown };
}

/** Whether others may write into the document as well. */
export function isShared(model: SharedModel | null | undefined): boolean {
  return model?.collaborative === true && awarenessOf(model) !== null;
}

/** Let the others know that this page is one that writes. */
export function takePart(model: SharedModel | null | undefined): void {
  if (isShared(model)) awarenessOf(model)?.setLocalStateField(FIELD, true);
}

/** Whether it is this page of all that take part; always, where nobody else can. */
export function isMyTurn(model: SharedModel | null | undefined): boolean {
  return turnOf(model) === 0;
}

/** How many pages come before this one; no number is enough for one that takes no part. */
export function turnOf(model: SharedModel | null | undefined): number {
  if (!isShared(model)) return 0;
  const awareness = awarenessOf(model);
  const ids = [...(awareness?.getStates() ?? [])].flatMap(([id, state]) =>
    (state as Record<string, unknown> | null)?.[FIELD] === true ? [id] : [],
  );
  const turn = ids.sort((one, other) => one - other).indexOf(awareness?.clientID ?? -1);
  return turn < 0 ? Number.POSITIVE_INFINITY : turn;
}

function awarenessOf(model: SharedModel | null | undefined): Awareness | null {
  return (model?.sharedModel?.awareness as Awareness | undefined) ?? null;
}
