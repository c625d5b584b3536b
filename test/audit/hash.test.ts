/** The trail's hashes: two implementations and the official vectors agree, and framing is injective. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blake3 as reference } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { blake3 } from 'hash-wasm';
import { describe, expect, it } from 'vitest';
import { domain, framed, recordHash } from '../../monitor/audit/hash.ts';

const VECTORS = join(import.meta.dirname, '../../../shared/data/vectors/blake3_test_vectors.json');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('BLAKE3', () => {
  it('gives the same in both implementations', async () => {
    const key = domain('a test');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (bytes) => {
        expect(await blake3(bytes, 256, key)).toBe(hex(reference(bytes, { key })));
      }),
    );
  });

  it.skipIf(!existsSync(VECTORS))(
    'agrees with the official vectors (skipped where they are absent)',
    async () => {
      const vectors = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
        key: string;
        context_string: string;
        cases: { input_len: number; hash: string; keyed_hash: string; derive_key: string }[];
      };
      const context = new TextEncoder().encode(vectors.context_string);
      expect(vectors.cases.length).toBeGreaterThan(30);
      for (const { input_len, hash, keyed_hash, derive_key } of vectors.cases) {
        const input = Uint8Array.from({ length: input_len }, (_, i) => i % 251);
        expect(await blake3(input)).toBe(hash.slice(0, 64));
        expect(await blake3(input, 256, vectors.key)).toBe(keyed_hash.slice(0, 64));
        expect(hex(reference(input, { context }))).toBe(derive_key.slice(0, 64));
      }
    },
  );
});

describe('the hash of a record', () => {
  const fields = fc.record({
    seq: fc.nat(),
    time: fc.string(),
    mono: fc.nat(),
    prev: fc.string(),
    payload: fc.string({ unit: 'binary', maxLength: 300 }),
  });

  it('is the keyed hash of the framed fields', () => {
    const key = domain('portcullis 2026-11 audit record');
    fc.assert(
      fc.property(fields, ({ seq, time, mono, prev, payload }) => {
        const fields = framed([String(seq), time, String(mono), prev, payload]);
        const due = reference(new TextEncoder().encode(fields), { key });
        expect(recordHash({ seq, time, mono, prev, payload })).toBe(hex(due));
      }),
    );
  });

  it('frames fields as netstrings, lengths in bytes', () => {
    expect(framed(['', 'a', 'ü,'])).toBe('0:,1:a,3:ü,,');
  });

  it('differs where any field differs, and where a field’s end moves into the next', () => {
    const base = { seq: 1, time: 'ab', mono: 2, prev: 'cd', payload: 'ef' };
    const others = [
      { ...base, seq: 2 },
      { ...base, time: 'abc' },
      { ...base, mono: 3 },
      { ...base, prev: 'ce' },
      { ...base, payload: 'e' },
      { ...base, time: 'a', prev: 'bcd' },
      { ...base, prev: 'c', payload: 'def' },
    ];
    const hashes = new Set([base, ...others].map(recordHash));
    expect(hashes.size).toBe(others.length + 1);
  });
});
