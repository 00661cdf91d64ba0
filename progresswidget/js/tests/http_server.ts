/** A real HTTP server for the browser's tests; the path says what it answers. */

import { createServer } from 'node:http';
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

/** `/<status>/<body>/…` is answered with that status and body; the request comes back in headers. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader('Access-Control-Allow-Headers', 'content-type, authorization, x-xsrftoken');
    response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST, DELETE');
    response.setHeader('Access-Control-Expose-Headers', 'x-seen');
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }
    const [, status, body = ''] = (request.url ?? '').split('/');
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
