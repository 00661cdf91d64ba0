/** Which buttons a bar offers: what can be done with the job from this page now. */

import { type Connection, hears } from '../channel/connection';
import { isTerminal, type JobRecord } from '../protocol';
import { isDeaf } from './connection_words';
import type { ButtonName } from './icons';
import { hasFile, isGroup, isTask, makesFile } from './kinds';
import type { Situation } from './presentation';

export function buttonsFor(situation: Situation, record: JobRecord): ReadonlySet<ButtonName> {
  const { connection, canDownload } = situation;
  const buttons = new Set<ButtonName>();
  if (record.status === 'done') {
    if (canDownload && !situation.unknown && hasFile(record)) {
      buttons.add('download');
      if (situation.canSave) buttons.add('save');
      if (situation.canLink) buttons.add('link');
    }
    // Nothing is written then that is there already, and the server knows of it again.
    else if (situation.unknown && situation.canRerun && makesFile(record)) buttons.add('retry');
    const fileless = isTask(record) || isGroup(record);
    if (situation.canReveal && record.contents !== null && !fileless) buttons.add('reveal');
    return buttons;
  }
  if (isTerminal(record.status)) {
    // A loop begins anew.
    const goesOn = record.status === 'interrupted' && !isTask(record);
    if (situation.canRerun) buttons.add(goesOn ? 'continue' : 'retry');
    return buttons;
  }
  if (situation.cancelling) return new Set(['undo']);
  if (connection.kind === 'offline') return offlineButtons(connection);
  if (connection.kind === 'saved' || isDeaf(connection, record) || !record.obeys) {
    return buttons;
  }
  if (canFollow(situation, record)) buttons.add('follow');
  if (record.status === 'running') buttons.add('pause');
  if (record.status === 'paused') buttons.add('resume');
  buttons.add('cancel');
  return buttons;
}

/** What is written stays as it is, so the browser can begin to fetch it. */
function canFollow({ connection, canDownload }: Situation, record: JobRecord): boolean {
  const begun = record.status === 'running' || record.status === 'paused';
  return begun && record.appendOnly && hasFile(record) && canDownload && hears(connection);
}

export function offlineButtons(connection: Connection): ReadonlySet<ButtonName> {
  return new Set(connection.kind === 'offline' ? (['reconnect'] as const) : []);
}
