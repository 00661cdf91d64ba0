/** The server as JupyterLab's own settings describe it. */

import { ServerConnection } from '@jupyterlab/services';
import type { Server } from '../server';

export function labServer(settings: ServerConnection.ISettings): Server {
  return {
    base: new URL('progresswidget/', new URL(settings.baseUrl, location.href)).href,
    socketUrl: new URL('progresswidget/ws', new URL(settings.wsUrl, location.href)).href,
    request: (url, init) => ServerConnection.makeRequest(url, init, settings),
  };
}
