/**
 * The hashes of the trail: BLAKE3, one domain per use. A domain's key is BLAKE3 in key-derivation mode over its
 * context string; the hash proper is BLAKE3 keyed with it. Fields are framed as netstrings (`LENGTH:BYTES,`), so
 * that no two lists of fields give the same input.
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
export function recordHash({ seq, time, mono, prev, payload }: Sealed): string {
  return recordHasher
    .init()
    .update(encoded(framed([String(seq), time, String(mono), prev, payload])))
    .digest('hex');
}

/** The fields as netstrings, lengths in bytes of UTF-8. Lone surrogates must be escaped already. */
export function framed(fields: readonly string[]): string {
  let out = '';
  for (const field of fields) out += `${Buffer.byteLength(field)}:${field},`;
  return out;
}

/** The digest of an argument list, 64 hex digits; `bytes` holds each argument ended by NUL. */
export function argumentDigest(bytes: Uint8Array): string {
  return argumentHasher.init().update(bytes).digest('hex');
}

/** Reused by every call. Owner: `encoded`, whose result is good until the next call. */
let scratch = Buffer.alloc(64 << 10);

function encoded(text: string): Uint8Array {
  if (scratch.length < text.length * 3) scratch = Buffer.alloc(text.length * 4);
  return scratch.subarray(0, scratch.write(text, 'utf8'));
}
