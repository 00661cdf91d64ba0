/** The traits of our ipywidgets, as a host hands them to the script. */

import type { AnyModel } from '@anywidget/types';

/** Of every widget that shows a job. */
export interface JobTraits {
  snapshot: unknown;
  server: boolean;
  task_id: string;
  background: boolean;
}

/** Of `ExportWidget`: those that follow the job come first, each with what it is in a record. */
export interface ExportTraits extends JobTraits {
  max: number | null;
  percent: number | null;
  rate: number | null;
  eta: number | null;
  value: number;
  state: string;
  description: string;
  bar_style: string;
}

export interface ProgressTraits {
  value: number;
  min: number;
  max: number | null;
  state: string;
  description: string;
  /** A length of CSS, or `initial` for that of the text; the host's own where it is empty. */
  description_width: string;
  bar_style: string;
  orientation: string;
  rate: number | null;
  eta: number | null;
  elapsed: number;
}

export const PROGRESS_TRAITS = [
  'value',
  'min',
  'max',
  'state',
  'description',
  'description_width',
  'bar_style',
  'orientation',
  'rate',
  'eta',
  'elapsed',
] as const;

/** Read the traits of a bar from a model or from what a notebook keeps of it. */
export function progressTraits(get: (name: (typeof PROGRESS_TRAITS)[number]) => unknown) {
  const number = <T>(value: unknown, otherwise: T) =>
    typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return {
    value: number(get('value'), 0),
    min: number(get('min'), 0),
    max: number(get('max'), null),
    state: text(get('state')),
    description: text(get('description')),
    description_width: text(get('description_width')),
    bar_style: text(get('bar_style')),
    orientation: text(get('orientation')),
    rate: number(get('rate'), null),
    eta: number(get('eta'), null),
    elapsed: number(get('elapsed'), 0),
  } satisfies ProgressTraits;
}

export type JobModel = AnyModel<ExportTraits>;
export type ProgressModel = AnyModel<ProgressTraits>;

/**
 * Call `run` at each change of a trait until `signal` says that it is enough.
 *
 * @param names With `comm_live_update` for the loss of the kernel, where the host tells of it.
 */
export function onTraits(
  model: AnyModel,
  names: readonly string[],
  run: () => void,
  signal: AbortSignal,
): void {
  for (const name of names) {
    const event = name === LOSS ? name : `change:${name}`;
    model.on(event, run);
    signal.addEventListener('abort', () => model.off(event, run));
  }
}

/** What ipywidgets triggers when a model has lost its comm, or has one again. */
export const LOSS = 'comm_live_update';

/** Whether a kernel hears the view in `el`; ipywidgets marks those whose comm is gone. */
export function hasKernel(el: HTMLElement): boolean {
  return !el.classList.contains('jupyter-widgets-disconnected');
}
