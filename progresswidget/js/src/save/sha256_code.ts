/**
 * SHA-256's rounds as WebAssembly, which turns words in one step: twice as fast as the same written
 * out in JavaScript. It is put together here because it is much shorter so.
 *
 * FIPS 180-4, sections 4.1.2 and 6.2.2; WebAssembly Core Specification, chapter 5 (binary format).
 */

type Code = readonly (number | Code)[];

// What is called so is put in its place by the bundler, which a table of them is not.
const I32 = 0x7f;
const LOOP = 0x03;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const NOTHING = 0x40;
const GET = 0x20;
const SET = 0x21;
const TEE = 0x22;
const LOAD = 0x28;
const STORE = 0x36;
const CONST = 0x41;
const BELOW = 0x49;
const ADD = 0x6a;
const AND = 0x71;
const OR = 0x72;
const XOR = 0x73;
const SHIFT = 0x76;
const LEFT = 0x77;
const RIGHT = 0x78;
const CHAR_M = 0x6d;
const CHAR_F = 0x66;

/** Where the state lies in memory, and where the bytes begin. */
export const STATE = 0;
export const INPUT = 64;
/** Bytes of memory, of which the compiled code asks for so many pages of 64 KiB. */
const MEMORY = 2 * 65_536;

// Locals: the parameters, the variables a to h, sixteen words of the schedule, and one to spare.
const PLACE = 0;
const STOP = 1;
const FIRST = 2;
const WORDS = 10;
const SPARE = 26;

export function sha256Code(constants: Int32Array): Uint8Array<ArrayBuffer> {
  const body = [LOOP, NOTHING, begin(), rounds(constants), finish(), END, END];
  return Uint8Array.from(
    bytes([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      [1, sized([1, 0x60, 2, I32, I32, 0])], // one type: two numbers in, nothing out
      [3, sized([1, 0])],
      [5, sized([1, 0, MEMORY / 65_536])],
      [7, sized([2, 1, CHAR_M, 2, 0, 1, CHAR_F, 0, 0])],
      [10, sized([1, sized([1, SPARE - STOP, I32, body])])],
    ]),
  );
}

const begin = (): Code => [
  VARIABLES.map((own, n) => [loaded(number(STATE), n), SET, own]),
  // Of a word the first byte is the highest.
  list(16, (n) => [
    [loaded([GET, PLACE], n), TEE, SPARE, number(8), LEFT, number(0x00ff00ff), AND],
    [GET, SPARE, number(8), RIGHT, number(0xff00ff00), AND, OR, SET, word(n)],
  ]),
];

function rounds(constants: Int32Array): Code {
  let variables = VARIABLES;
  return Array.from(constants, (constant, n) => {
    const [a, b, c, d, e, f, g, h] = variables as Eight;
    variables = [h, a, b, c, d, e, f, g];
    const chosen = [GET, f, GET, g, XOR, GET, e, AND, GET, g, XOR];
    const most = [GET, a, GET, b, AND, GET, a, GET, b, OR, GET, c, AND, OR];
    return [
      n < 16 ? [] : scheduled(n),
      [GET, h, number(constant), ADD, GET, word(n), ADD, mixed(e, [6, 11, 25]), ADD, chosen, ADD],
      [TEE, SPARE, GET, d, ADD, SET, d],
      [GET, SPARE, mixed(a, [2, 13, 22]), ADD, most, ADD, SET, h],
    ];
  });
}

const finish = (): Code => [
  VARIABLES.map((own, n) => [
    [number(STATE), loaded(number(STATE), n), GET, own, ADD],
    [STORE, 2, leb(4 * n)],
  ]),
  [GET, PLACE, number(64), ADD, TEE, PLACE, GET, STOP, BELOW, BRANCH_IF, 0],
];

type Eight = [number, number, number, number, number, number, number, number];
const list = <T>(length: number, each: (n: number) => T) =>
  Array.from({ length }, (_, n) => each(n));
const VARIABLES = list(8, (n) => FIRST + n);
const word = (n: number) => WORDS + (n % 16);

/** A word turned right by three distances and mixed; the last may be a shift. */
const mixed = (own: number, distances: readonly number[], last = RIGHT): Code =>
  distances.map((by, n) => [GET, own, number(by), n < 2 ? RIGHT : last, n ? XOR : []]);
const scheduled = (n: number): Code => [
  [GET, word(n), GET, word(n - 7), ADD, mixed(word(n - 15), [7, 18, 3], SHIFT), ADD],
  [mixed(word(n - 2), [17, 19, 10], SHIFT), ADD, SET, word(n)],
];

const loaded = (place: Code, n: number): Code => [place, LOAD, 2, leb(4 * n)];
const number = (value: number): Code => [CONST, leb(value | 0)];
const sized = (content: Code): Code => [leb(bytes(content).length), content];

/** Section 5.2.2: signed, which for a length takes a byte more at times, and means the same. */
const leb = (value: number): Code =>
  value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, leb(value >> 7)];

const bytes = (code: Code): number[] => code.flat(Number.POSITIVE_INFINITY as 9) as number[];
