/** One WebSocket, from its opening to its end, whichever side ends it. */

import { MalformedError } from '../fields';
import { decodeServerFrame, encodePing } from '../frames';
import { CLOSE_SILENT, type ServerMessage } from '../protocol';
import { type Environment, Timers } from './environment';
import { Heartbeat } from './heartbeat';

/** Milliseconds until the server must have said hello. */
const OPEN_LIMIT = 10_000;
const ABNORMAL = 1006;

export interface SocketListener {
  /** The server said hello: the socket is of use from now on. */
  opened(): void;
  heard(message: ServerMessage): void;
  /** The last call, and not made where the socket was closed on purpose. */
  lost(code: number): void;
}

export class Socket {
  readonly #socket: WebSocket;
  readonly #listener: SocketListener;
  readonly #listening = new AbortController();
  readonly #timers: Timers<'open'>;
  readonly #heartbeat: Heartbeat;
  #nextId = 1;

  /** @throws SyntaxError or SecurityError, as the constructor of a WebSocket. */
  constructor(env: Environment, listener: SocketListener) {
    this.#socket = env.open();
    this.#listener = listener;
    this.#timers = new Timers(env);
    this.#heartbeat = new Heartbeat(env, {
      ping: () => this.send(encodePing),
      dead: () => this.#drop(CLOSE_SILENT),
    });
    const { signal } = this.#listening;
    this.#socket.addEventListener('message', ({ data }) => this.#onFrame(data), { signal });
    this.#socket.addEventListener('close', ({ code }) => this.#lose(code), { signal });
    this.#timers.after('open', OPEN_LIMIT, () => this.#drop(CLOSE_SILENT));
  }

  /** Send a message, and return the id that it was given. */
  send(encode: (id: number) => string): number {
    const id = this.#nextId++;
    if (this.#socket.readyState === 1) this.#socket.send(encode(id));
    return id;
  }

  /** Have the other side prove that it is there. */
  probe(): void {
    this.#heartbeat.probe();
  }

  /** End it on purpose: nobody is told, and nobody comes back. */
  close(): void {
    this.#forget();
    this.#socket.close(1000);
  }

  #onFrame(data: unknown): void {
    this.#heartbeat.heard();
    let message: ServerMessage;
    try {
      message = decodeServerFrame(data);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#drop(1000, ABNORMAL);
      return;
    }
    if (message.type === 'hello') {
      this.#timers.stop('open');
      const { heartbeat, timeout } = message;
      this.#heartbeat.start(heartbeat * 1000, (timeout ?? 2 * heartbeat) * 1000);
      this.#listener.opened();
    } else {
      this.#listener.heard(message);
    }
  }

  /** Give it up at once: on a dead network the close event may take minutes. */
  #drop(code: number, meaning = code): void {
    this.#socket.close(code);
    this.#lose(meaning);
  }

  #lose(code: number): void {
    this.#forget();
    this.#listener.lost(code);
  }

  /** Whatever the socket still says means nothing any more. */
  #forget(): void {
    this.#listening.abort();
    this.#timers.stopAll();
    this.#heartbeat.stop();
  }
}
