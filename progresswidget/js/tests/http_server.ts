/** A real HTTP server for the browser's tests; the path says what it answers. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { record } from './records';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the server that answers by the path. */
    readonly origin: string;
    /** Where nobody listens. */
    readonly deadOrigin: string;
  }
}

const BODIES: Readonly<Record<string, unknown>> = {
  job: record({ pending: 'pause' }),
  jobs: [record(), { taskId: 'broken' }, record({ revision: 13 })],
  'not-found': { code: 'task-not-found', message: 'no such job', hint: '' },
  link: { id: 'b'.repeat(32), expires: 1000, url: '/links/token/c.csv' },
  links: { code: 'too-many-links', message: '1000 links are open.', hint: '' },
  refusal: { code: 'odd', message: 'It is Sunday.', hint: '' },
};

/** What is there to be saved. */
const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));
const DIGEST = createHash('sha256').update(FILE).digest('base64');

/** Answer with the file, or with a range of it; a whole `slow` one never ends. */
function sendFile(kind: string, request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.setHeader('ETag', '"f1"');
  response.setHeader('Repr-Digest', `sha-256=:${DIGEST}:`);
  response.setHeader('Content-Length', FILE.length - from);
  if (from > 0) {
    response.setHeader('Content-Range', `bytes ${from}-${FILE.length - 1}/${FILE.length}`);
  }
  response.writeHead(from > 0 ? 206 : 200);
  if (kind !== 'slow' || from > 0) {
    response.end(FILE.subarray(from));
    return;
  }
  let sent = 0;
  const timer = setInterval(() => {
    response.write(FILE.subarray(sent, sent + 1_000));
    sent += 1_000;
    if (sent === FILE.length / 2) clearInterval(timer);
  }, 50);
  response.on('close', () => clearInterval(timer));
}

/**
 * `/<status>/<body>/…` is answered with that status and body, and `/file/…` and `/slow/…` with a
 * file; the request comes back in headers.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader(
      'Access-Control-Allow-Headers',
      'content-type, authorization, x-xsrftoken, range, if-range, want-repr-digest',
    );
    response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST, DELETE');
    response.setHeader(
      'Access-Control-Expose-Headers',
      'x-seen, etag, repr-digest, content-range, content-length',
    );
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }
    const [, status, body = ''] = (request.url ?? '').split('/');
    if (status === 'file' || status === 'slow') {
      sendFile(status, request, response);
      return;
    }
    const { authorization, 'x-xsrftoken': xsrf } = request.headers;
    const seen = { method: request.method, url: request.url, authorization, xsrf };
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const sent = Buffer.concat(parts).toString();
      response.setHeader('X-Seen', JSON.stringify({ ...seen, body: sent }));
      response.writeHead(Number(status));
      response.end(body in BODIES ? JSON.stringify(BODIES[body]) : '<html>not JSON</html>');
    });
  });
  const listen = () =>
    new Promise<string>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      });
    });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  project.provide('deadOrigin', await listen());
  await close();
  project.provide('origin', await listen());
  return close;
}
