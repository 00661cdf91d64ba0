/** Keeps the traits of an `ExportWidget` true by the server, so that links need no kernel. */

import { newest } from './known';
import { probe } from './probe';
import { isTaskId, type JobRecord } from './protocol';
import { decodeSnapshot } from './record';
import { serverOfPage } from './server';
import { type JobModel, onTraits } from './traits';

/**
 * Follow the job of a model until `signal` ends it.
 *
 * It belongs to the model and not to its views, of which there may be none or many: it is the only
 * one that writes. What it writes is not sent to the kernel, which knows it.
 */
export function followJob(model: JobModel, signal: AbortSignal): void {
  const taskId = model.get('task_id');
  const server = model.get('server') ? serverOfPage(document, location.href) : null;
  // The widget of a job's own output has no such traits: nobody can link it.
  if (!server || !isTaskId(taskId) || model.get('state') === undefined) return;

  let heard: JobRecord | null = null;
  const write = () => {
    const record = newest(heard, decodeSnapshot(model.get('snapshot')));
    if (record) writeRecord(model, record);
  };
  // What the kernel says may be older than what the server said.
  onTraits(model, ['snapshot'], write, signal);
  const found = probe(
    server,
    model,
    (channel) => {
      const end = channel.follow(taskId, ({ record }) => {
        if (!record) return;
        heard = record;
        write();
      });
      signal.addEventListener('abort', end);
    },
    () => {},
    signal,
  );
  void found;
}

/** In the kernel's order: who listens to `value` finds `max` up to date, and at `state` all. */
function writeRecord(model: JobModel, record: JobRecord): void {
  const set = <K extends 'max' | 'percent' | 'rate' | 'eta'>(name: K, value: number | null) => {
    if (model.get(name) !== value) model.set(name, value);
  };
  set('max', record.total);
  set('percent', record.progress);
  set('rate', record.rate);
  set('eta', record.eta);
  if (model.get('value') !== record.rows) model.set('value', record.rows);
  if (model.get('state') !== record.status) model.set('state', record.status);
}
