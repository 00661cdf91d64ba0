import { afterEach, describe, expect, inject, it } from 'vitest';
import { probe } from '../src/browser_download';
import { xsrfHeader } from '../src/xsrf';

describe('the word against XSRF', () => {
  afterEach(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: the cookie that Jupyter sets is under test
    document.cookie = '_xsrf=; max-age=0';
  });

  it('is the cookie that the server has set', () => {
    expect(xsrfHeader('/user/alice/progresswidget/')).toEqual({});
    // biome-ignore lint/suspicious/noDocumentCookie: as above
    document.cookie = '_xsrf=2|abc==|1712';
    const sent = { 'X-XSRFToken': '2|abc==|1712' };
    expect(xsrfHeader('/user/alice/progresswidget/')).toEqual(sent);
    expect(xsrfHeader(location.href)).toEqual(sent);
  });

  it('is not told to another origin', async () => {
    // biome-ignore lint/suspicious/noDocumentCookie: as above
    document.cookie = '_xsrf=2|abc==|1712';
    const response = await probe(`${inject('origin')}/200/none/a.csv`);
    const seen = JSON.parse(response.headers.get('x-seen') ?? 'null');
    expect(seen).toMatchObject({ method: 'HEAD', url: '/200/none/a.csv' });
    expect(seen.xsrf).toBeUndefined();
  });
});
