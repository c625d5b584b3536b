/**
 * The hashes of the trail: BLAKE3, one domain per use. A domain's key is BLAKE3 in key-derivation mode over its
 * context string; the hash proper is BLAKE3 keyed with it. Everything hashed is length-framed (u32, little
 * endian, then the bytes), so that no two lists of fields give the same input.
 *
 * The compiled implementation (hash-wasm) does the work, about three times as fast on a record as the one in
 * JavaScript (@noble/hashes), which derives the keys and checks the other in the tests. It is loaded once, when
 * this module is imported. There is no secret in these keys: the chain shows tampering only to one who knows a
 * later hash from elsewhere.
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { createBLAKE3 } from 'hash-wasm';

const RECORD = domain('portcullis 2026-11 audit record');
const ARGUMENTS = domain('portcullis 2026-11 argument list');

/** The key of a domain, for checking against another implementation. */
export function domain(context: string): Uint8Array {
  return blake3(new Uint8Array(0), { context: new TextEncoder().encode(context) });
}

const recordHasher = await createBLAKE3(256, RECORD);
const argumentHasher = await createBLAKE3(256, ARGUMENTS);

/** The `prev` of the first record. */
export const GENESIS = '0'.repeat(64);

export interface Sealed {
  readonly seq: number;
  readonly time: string;
  readonly mono: number;
  readonly prev: string;
  /** The payload's canonical JSON. */
  readonly payload: string;
}

/** The hash of a record, 64 hex digits, over every field of it but the hash. */
export function recordHash(fields: Sealed): string {
  const { seq, time, mono, prev, payload } = fields;
  frame.reset((payload.length + prev.length + time.length) * 3 + 128);
  frame.add(String(seq));
  frame.add(time);
  frame.add(String(mono));
  frame.add(prev);
  frame.add(payload);
  return recordHasher.init().update(frame.bytes()).digest('hex');
}

/** The bytes that recordHash hashes; exported for the tests. */
export function framed(fields: readonly string[]): Uint8Array {
  frame.reset(fields.reduce((sum, field) => sum + field.length * 3 + 4, 0));
  for (const field of fields) frame.add(field);
  return Uint8Array.from(frame.bytes());
}

/** The digest of an argument list, 64 hex digits; `bytes` holds each argument ended by NUL. */
export function argumentDigest(bytes: Uint8Array): string {
  return argumentHasher.init().update(bytes).digest('hex');
}

/** One reusable buffer of framed fields. Owner: this module; used only within one synchronous call. */
const frame = {
  buffer: Buffer.alloc(64 << 10),
  end: 0,
  reset(capacity: number): void {
    if (this.buffer.length < capacity) this.buffer = Buffer.alloc(capacity * 2);
    this.end = 0;
  },
  add(text: string): void {
    const length = this.buffer.write(text, this.end + 4, 'utf8');
    this.buffer.writeUInt32LE(length, this.end);
    this.end += 4 + length;
  },
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.end);
  },
};
