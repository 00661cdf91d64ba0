/** The word by which a server knows its own pages: what a page of another origin cannot read. */

/** The header of a request to the page's own server; another origin is not told. */
export function xsrfHeader(url: string): Record<string, string> {
  const token = new URL(url, location.href).origin === location.origin ? xsrfToken() : null;
  return token === null ? {} : { 'X-XSRFToken': token };
}

/** The value of the server's cookie, or null where it has set none. */
export function xsrfToken(): string | null {
  for (const pair of document.cookie.split('; ')) {
    if (pair.startsWith('_xsrf=')) return pair.slice('_xsrf='.length);
  }
  return null;
}
