/** Icons on a 16 px grid, stroked with the colour of the text around them. */

const SVG =
  '<svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" focusable="false">';
const RING = '<circle cx="8" cy="8" r="6.25"/>';

const svg = (shapes: string) => `${SVG}${shapes}</svg>`;

export const STATE_ICONS = {
  connecting: svg('<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.2 2.7"/>'),
  queued: svg(`${RING}<path d="M8 4.75V8l2.25 1.5"/>`),
  running: svg(
    '<circle cx="8" cy="8" r="6.25" opacity=".28"/><path class="pw-spin" stroke-width="2" d="M8 1.75A6.25 6.25 0 0 1 14.25 8"/>',
  ),
  paused: svg(`${RING}<path d="M6.4 5.75v4.5M9.6 5.75v4.5"/>`),
  done: svg(`${RING}<path d="m5.2 8.2 2 2 3.7-4.1"/>`),
  stopped: svg(`${RING}<path d="M6 6h4v4H6z"/>`),
  failed: svg(`${RING}<path d="M8 4.75v3.9M8 11.05v.05"/>`),
  cancelled: svg(`${RING}<path d="M5.25 8h5.5"/>`),
  interrupted: svg(`${RING}<path d="M8.75 4.25 6.25 8.5h3.5l-2.5 3.5"/>`),
} as const;

const DOWNLOAD = svg('<path d="M8 2.5v7.25M4.75 6.75 8 10l3.25-3.25M3 13.25h10"/>');

export const ACTION_ICONS = {
  pause: svg('<path d="M5.5 3.75v8.5M10.5 3.75v8.5"/>'),
  resume: svg('<path d="M5.25 3.5v9l7-4.5z"/>'),
  // As JupyterLab's own: a cross takes something out of sight, and ends nothing.
  cancel: svg('<path fill="currentColor" d="M4.75 4.75h6.5v6.5h-6.5z"/>'),
  download: DOWNLOAD,
  follow: DOWNLOAD,
  save: svg(
    '<path d="M3 3.5A.75.75 0 0 1 3.75 2.75h6.9L13.25 5.3v7.2a.75.75 0 0 1-.75.75h-8.75a.75.75 0 0 1-.75-.75zM5.5 2.75v3h4.25v-3M5.25 13.25V9.5h5.75v3.75"/>',
  ),
  // Back, in an arc.
  undo: svg('<path d="M3 6.5h6.25a3.5 3.5 0 0 1 0 7H6M5.75 3.5 2.75 6.5l3 3"/>'),
  continue: svg('<path d="M5.25 3.5v9l7-4.5z"/>'),
  retry: svg('<path d="M13 6.5A5.25 5.25 0 1 0 13.1 9.5M13.25 3v3.5h-3.5"/>'),
  link: svg(
    '<path d="M6.75 9.25a2.75 2.75 0 0 0 4 .1l1.9-1.9a2.75 2.75 0 0 0-3.9-3.9l-.9.9M9.25 6.75a2.75 2.75 0 0 0-4-.1l-1.9 1.9a2.75 2.75 0 0 0 3.9 3.9l.9-.9"/>',
  ),
  reveal: svg('<path d="M2.25 12.5v-9h4l1.5 1.75h6v7.25zM2.25 7.25h11.5"/>'),
  details: svg('<path d="m4.25 6.25 3.75 3.75 3.75-3.75"/>'),
  reconnect: svg('<path d="M13 6.5A5.25 5.25 0 1 0 13.1 9.5M13.25 3v3.5h-3.5"/>'),
} as const;

/** A chevron that turns when it is opened. */
export const PARTS_ICON = svg('<path d="m6 4 4 4-4 4"/>');

export const TRANSFER_ICONS = {
  pause: ACTION_ICONS.pause,
  resume: ACTION_ICONS.resume,
  again: ACTION_ICONS.reconnect,
  cancel: ACTION_ICONS.cancel,
  dismiss: svg('<path d="m4.25 4.25 7.5 7.5M11.75 4.25l-7.5 7.5"/>'),
} as const;

export type StateIcon = keyof typeof STATE_ICONS;
export type ButtonName = keyof typeof ACTION_ICONS;
export type TransferButton = keyof typeof TRANSFER_ICONS;
