/** What a person has set for exports, now and whenever they change it. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { Order } from '../jobs/query';
import { isOneOf } from '../protocol';

export interface Preferences {
  readonly notices: boolean;
  /** Seconds. */
  readonly noticeAfter: number;
  readonly noticeHidden: boolean;
  readonly statusBar: boolean;
  readonly running: boolean;
  readonly order: Order;
}

/** As in `schema/exports.json`; what holds where there is no registry. */
export const USUAL: Preferences = {
  notices: true,
  noticeAfter: 30,
  noticeHidden: true,
  statusBar: true,
  running: true,
  order: 'newest',
};

const ORDERS = ['newest', 'name', 'size', 'state'] as const;

/** Read the values of a registry, which may be of another version: what is no value is as usual. */
export function preferencesOf(values: Readonly<Record<string, unknown>>): Preferences {
  const flag = (name: 'notices' | 'noticeHidden' | 'statusBar' | 'running') => {
    const value = values[name];
    return typeof value === 'boolean' ? value : USUAL[name];
  };
  const after = values.noticeAfter;
  return {
    notices: flag('notices'),
    noticeAfter: typeof after === 'number' && after >= 0 ? after : USUAL.noticeAfter,
    noticeHidden: flag('noticeHidden'),
    statusBar: flag('statusBar'),
    running: flag('running'),
    order: isOneOf(ORDERS, values.order) ? values.order : USUAL.order,
  };
}

/** Tell the preferences when they are known, and at each change. */
export async function followPreferences(
  registry: ISettingRegistry | null,
  plugin: string,
  use: (preferences: Preferences) => void,
): Promise<void> {
  // Where the schema is not installed everything is as usual.
  const settings = await registry?.load(plugin).catch(() => undefined);
  if (!settings) return;
  const read = () => use(preferencesOf(settings.composite as Record<string, unknown>));
  settings.changed.connect(read);
  read();
}
