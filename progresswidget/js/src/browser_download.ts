/** Hands an address to the browser's own download manager: no byte of a file passes the page. */

import { xsrfHeader } from './xsrf';

/** Let the browser fetch a file by itself; who calls has seen that it can be had. */
export function offer(url: string, name: string): void {
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.rel = 'noopener';
  anchor.referrerPolicy = 'no-referrer';
  anchor.hidden = true;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

/**
 * Ask how a download will be answered, with cookies alone, as it will go out: a token in a header
 * would promise too much. The word against XSRF opens nothing, but a hub wants it of every `fetch`,
 * also of one that only reads; of the download itself it does not.
 */
export function probe(url: string, signal?: AbortSignal): Promise<Response> {
  const init = { method: 'HEAD', credentials: 'include', cache: 'no-store' } as const;
  const headers = xsrfHeader(url);
  return fetch(url, signal ? { ...init, headers, signal } : { ...init, headers });
}
