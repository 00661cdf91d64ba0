import { pageServer } from '../src/server';

/** A server of tus 1.0.0 in a few lines, which keeps what it gets. */
export class Tus {
  readonly stored = new Map<string, { length: number; bytes: Uint8Array; metadata: string }>();
  readonly seen: string[] = [];
  /** Statuses that the next requests are answered with. */
  readonly failures: number[] = [];
  readonly server;

  /** @param root Its own, where another test may look at what is kept meanwhile. */
  constructor(root = '/tus/') {
    this.server = {
      ...pageServer(root, location.origin),
      request: (url: string, init: RequestInit) => this.#answer(url, init),
    };
  }

  async #answer(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    const method = init.method ?? 'GET';
    this.seen.push(method);
    const failure = this.failures.shift();
    if (failure) return Response.json({ code: 'odd', message: 'No.' }, { status: failure });
    const key = new URL(url).pathname;
    if (method === 'POST') {
      const place = new URL(`${this.server.base}uploads/${this.stored.size}`).pathname;
      const metadata = headers.get('Upload-Metadata') ?? '';
      const length = Number(headers.get('Upload-Length'));
      this.stored.set(place, { length, bytes: new Uint8Array(0), metadata });
      return new Response(null, {
        status: 201,
        headers: { Location: place, 'Upload-Offset': '0' },
      });
    }
    const upload = this.stored.get(key);
    if (!upload) return new Response(null, { status: 404 });
    if (method === 'DELETE') {
      this.stored.delete(key);
      return new Response(null, { status: 204 });
    }
    if (method === 'PATCH') {
      const more = new Uint8Array(init.body as ArrayBuffer);
      const joined = new Uint8Array(upload.bytes.length + more.length);
      joined.set(upload.bytes);
      joined.set(more, upload.bytes.length);
      upload.bytes = joined;
    }
    const offset = String(upload.bytes.length);
    return new Response(null, { status: 204, headers: { 'Upload-Offset': offset } });
  }
}

export const content = Uint8Array.from({ length: 200_000 }, (_, at) => at % 241);
/** As `toEqual` has it, which takes seconds for so many bytes. */
export const isContent = (bytes: Uint8Array | undefined) =>
  bytes?.length === content.length && bytes.every((byte, at) => byte === content[at]);
export const fileToSend = (name = 'big.bin') => new File([content], name, { lastModified: 5 });
