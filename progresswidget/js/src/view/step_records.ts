/** The steps of a job as records, so that they are drawn as the parts of a group are: pure. */

import type { Messages } from '../i18n';
import { isTerminal, type JobRecord } from '../protocol';

/** Of a record that is a step: no job has it. */
export const STEP = 'step';

/** Those that are neither going on nor went wrong do not ask to be left in sight. */
export function stepsOf(record: JobRecord, { step }: Messages): JobRecord[] {
  const names: Readonly<Record<string, string>> = step.name;
  const said: Readonly<Record<string, string>> = step.said;
  return record.steps.map(({ name, status }, index) => {
    const state = status === 'queued' && isTerminal(record.status) ? 'unbegun' : status;
    // Who is paused, or gone, does nothing.
    const goes = state === 'running' || state === 'undoing';
    const apart = state === 'undone' || state === 'unbegun';
    return {
      ...record,
      taskId: `${record.taskId}-${index}`,
      kind: STEP,
      status: goes ? record.status : apart ? 'cancelled' : state,
      progress: state === 'running' ? record.progress : null,
      title: names[name] ?? name,
      postfix: (goes && record.status !== 'running' ? '' : said[state]) ?? '',
      leave: !apart && state !== 'done',
      error: null,
    };
  });
}
