/**
 * SHA-256 (FIPS 180-4) of what comes piece by piece, which the browser's own digest cannot do.
 *
 * A library does it too, in four times the room, and the widget is one file that is loaded for one
 * bar. Tested against that library.
 */

const BLOCK = 64;
const ROUNDS = 64;

/** The first 32 bits of the fractional part, as the standard takes them (sections 4.2.2, 5.3.3). */
const fraction = (value: number) => ((value - Math.floor(value)) * 2 ** 32) | 0;

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < ROUNDS; n += 1) {
  if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);
}
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const turn = (word: number, by: number) => (word >>> by) | (word << (32 - by));

export class Sha256 {
  readonly #state = START.slice();
  readonly #words = new Int32Array(ROUNDS);
  readonly #block = new Uint8Array(BLOCK);
  readonly #view = new DataView(this.#block.buffer);
  #filled = 0;
  #length = 0;

  update(bytes: Uint8Array): void {
    this.#length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(BLOCK - this.#filled, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === BLOCK) this.#mix();
    }
  }

  /** In hexadecimal digits. Nothing can be added after it. */
  digest(): string {
    const length = this.#length;
    const padding = new Uint8Array(((2 * BLOCK - 9 - this.#filled) % BLOCK) + 9);
    padding[0] = 0x80;
    const end = new DataView(padding.buffer);
    end.setUint32(padding.length - 8, Math.floor(length / 2 ** 29));
    end.setUint32(padding.length - 4, length * 8);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #mix(): void {
    const words = this.#words;
    const bytes = this.#view;
    const state = this.#state;
    // One by one: taking the array apart would call its iterator for each block.
    let a = state[0] as number;
    let b = state[1] as number;
    let c = state[2] as number;
    let d = state[3] as number;
    let e = state[4] as number;
    let f = state[5] as number;
    let g = state[6] as number;
    let h = state[7] as number;
    for (let n = 0; n < ROUNDS; n += 1) {
      let word: number;
      if (n < 16) word = bytes.getInt32(4 * n);
      else {
        const near = words[n - 2] as number;
        const far = words[n - 15] as number;
        const low = turn(far, 7) ^ turn(far, 18) ^ (far >>> 3);
        const high = turn(near, 17) ^ turn(near, 19) ^ (near >>> 10);
        word = ((words[n - 16] as number) + low + (words[n - 7] as number) + high) | 0;
      }
      words[n] = word;
      const chosen = (e & f) ^ (~e & g);
      const first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + chosen + (K[n] as number) + word;
      const most = (a & b) ^ (a & c) ^ (b & c);
      const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + most;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    state[0] = (state[0] as number) + a;
    state[1] = (state[1] as number) + b;
    state[2] = (state[2] as number) + c;
    state[3] = (state[3] as number) + d;
    state[4] = (state[4] as number) + e;
    state[5] = (state[5] as number) + f;
    state[6] = (state[6] as number) + g;
    state[7] = (state[7] as number) + h;
    this.#filled = 0;
  }
}
