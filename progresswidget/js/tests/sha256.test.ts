import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { newSha256, Sha256 } from '../src/save/sha256';
import { sha256Code } from '../src/save/sha256_code';

const of = (...pieces: readonly Uint8Array[]) => {
  const hash = new Sha256();
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
};

it('is that of the standard', () => {
  const text = new TextEncoder();
  expect(of()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(of(text.encode('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  expect(of(new Uint8Array(1_000_000).fill(0x61))).toBe(
    'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
  );
});

it('is that of a library, wherever the pieces end', () => {
  const bytes = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 });
  fc.assert(
    fc.property(bytes, (pieces) => {
      const whole = new Uint8Array(pieces.flatMap((piece) => [...piece]));
      expect(of(...pieces)).toBe(bytesToHex(sha256(whole)));
    }),
    { seed: 6, numRuns: 300 },
  );
  // Each length around the ends of two blocks, and around those of what is collected.
  const lengths = Array.from({ length: 140 }, (_, length) => length);
  for (const length of [...lengths, 65_527, 65_528, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const whole = Uint8Array.from({ length }, (_, at) => at * 7);
    expect(of(whole)).toBe(bytesToHex(sha256(whole)));
    expect(of(whole.subarray(0, 50), whole.subarray(50))).toBe(bytesToHex(sha256(whole)));
  }
});

it('asks nothing of the page for its compiled code', () => {
  const module = new WebAssembly.Module(sha256Code(new Int32Array(64)));
  expect(WebAssembly.Module.imports(module)).toEqual([]);
  expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toEqual(['m', 'f']);
});

it('is none where a policy of the page forbids compiled code', () => {
  expect(newSha256()?.digest()).toMatch(/^e3b0c442/);
  const refuse = () => {
    throw new Error('forbidden');
  };
  const refusing = vi.spyOn(WebAssembly, 'Module').mockImplementation(refuse);
  try {
    expect(newSha256()).toBeNull();
  } finally {
    refusing.mockRestore();
  }
});
