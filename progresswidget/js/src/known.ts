/** What to make of the states of a job that several have told, or nobody any more. */

import type { JobRecord } from './protocol';

/** The later of two states of one job; what only the server knows is kept. */
export function newest(server: JobRecord | null, kept: JobRecord | null): JobRecord | null {
  if (server === null || kept === null) return server ?? kept;
  const runs = kept.generation - server.generation;
  // Each run counts its own revisions.
  if (runs < 0 || (runs === 0 && kept.revision <= server.revision)) return server;
  const { url, notebook, contents } = server;
  return {
    ...kept,
    // The address is that of the file of one run.
    url: kept.url ?? (runs === 0 ? url : null),
    notebook: kept.notebook ?? notebook,
    contents: kept.contents ?? contents,
  };
}

/** A job that ran when the notebook was saved, and of which nobody has heard since. */
export function orphan(record: JobRecord): JobRecord {
  const error = { code: 'unknown-task', message: '', hint: '' };
  return { ...record, status: 'interrupted', pending: null, eta: null, rate: null, error };
}
