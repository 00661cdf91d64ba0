/**
 * SHA-256 (FIPS 180-4) of what comes piece by piece, which the browser's own digest cannot do.
 *
 * A library does it too, in four times the room, and the widget is one file that is loaded for one
 * bar. Tested against that library.
 */

import { INPUT, STATE, sha256Code } from './sha256_code';

const BLOCK = 64;
const ROUNDS = 64;
/** Bytes that are collected before they are mixed. */
const ROOM = 65_536;

/** The first 32 bits of the fractional part, as the standard takes them (sections 4.2.2, 5.3.3). */
const fraction = (value: number) => ((value - Math.floor(value)) * 2 ** 32) | 0;

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < ROUNDS; n += 1) {
  if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);
}
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

export class Sha256 {
  readonly #mix: (from: number, to: number) => void;
  readonly #state: Int32Array;
  readonly #input: Uint8Array;
  #filled = 0;
  #length = 0;

  /** @throws WebAssembly.CompileError where a policy of the page forbids compiled code. */
  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(sha256Code(K)));
    const { m, f } = exports as { m: WebAssembly.Memory; f: (from: number, to: number) => void };
    this.#mix = f;
    this.#state = new Int32Array(m.buffer, STATE, START.length);
    this.#state.set(START);
    this.#input = new Uint8Array(m.buffer, INPUT, ROOM);
  }

  update(bytes: Uint8Array): void {
    this.#length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(ROOM - this.#filled, bytes.length - at);
      this.#input.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === ROOM) this.#mixInput();
    }
  }

  /** In hexadecimal digits. Nothing can be added after it. */
  digest(): string {
    const length = this.#length;
    const padding = new Uint8Array(((2 * BLOCK - 9 - (length % BLOCK)) % BLOCK) + 9);
    padding[0] = 0x80;
    const end = new DataView(padding.buffer);
    end.setUint32(padding.length - 8, Math.floor(length / 2 ** 29));
    end.setUint32(padding.length - 4, length * 8);
    this.update(padding);
    if (this.#filled > 0) this.#mixInput();
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #mixInput(): void {
    this.#mix(INPUT, INPUT + this.#filled);
    this.#filled = 0;
  }
}

/** Null where a policy of the page forbids compiled code. */
export function newSha256(): Sha256 | null {
  try {
    return new Sha256();
  } catch {
    return null;
  }
}
