/**
 * The one contract of all reviewers: given an event put up for review, answer allow or deny with a reason
 * before the signal aborts, or throw. Whatever is not a clean `allow` in time is a deny (P3). A reviewer never
 * sees an event that policy decides, and its allow can still be refused by later layers.
 */
import type { Event } from '../../model/event.ts';
import type { ReviewAnswer } from '../../model/input.ts';

export interface ReviewRequest {
  readonly event: Event;
  /** Id of the rule that put it up for review; null for the policy's default. */
  readonly rule: string | null;
  readonly reason: string;
}

export type { ReviewAnswer };

export interface Reviewer {
  /** As given to --reviewer: `none`, `human`, `exec:COMMAND`. */
  readonly name: string;
  /** Rejects where the reviewer cannot start; nothing is executed then. */
  start(): Promise<void>;
  /** `signal` aborts at the deadline. May throw ReviewerError; any other throw is `reviewer failed`. */
  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer>;
  stop(): Promise<void>;
}

/** A reviewer's failure with a reason of its own for the trail. */
export class ReviewerError extends Error {
  readonly kind:
    | 'malformed'
    | 'duplicate'
    | 'unknown-id'
    | 'late'
    | 'missing'
    | 'ended'
    | 'overloaded'
    | 'failed';
  constructor(kind: ReviewerError['kind'], message: string) {
    super(message);
    this.name = 'ReviewerError';
    this.kind = kind;
  }
}
