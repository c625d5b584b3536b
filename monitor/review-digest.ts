/** The digest by which the trail names what a reviewer was asked, without repeating it. */
import { createBLAKE3 } from 'hash-wasm';
import { canonical } from './audit/canonical.ts';
import { domain } from './audit/hash.ts';
import type { ReviewRequest } from './reviewers/contract.ts';

const hasher = await createBLAKE3(256, domain('portcullis 2026-11 review request'));

/** BLAKE3 of the request's canonical JSON in a domain of its own, 64 hex digits. */
export function reviewDigest(request: ReviewRequest): string {
  return hasher.init().update(canonical(request)).digest('hex');
}
