/**
 * The rate layer: a token bucket for each subject's executable and operation, so that no subject can flood its
 * reviewer. Reviews cost one token; a trusted subject is not limited. Time is the time at which the monitor
 * took the event up, so that replay limits the same events.
 *
 * Asking (`refusal`) changes nothing; `spend` takes the token of a review that is put to the reviewer. Owner of
 * the buckets: one monitor. There are at most MAX_BUCKETS, of which full ones are forgotten when room is needed;
 * where there is none, further subjects share one bucket, so that making up names gains nothing.
 */
import type { Event } from '../../model/event.ts';
import type { Refusal } from '../../model/machine.ts';

/** `burst` tokens at most, refilled at `perSecond`. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Which rate an event falls under; null: not limited. `id` separates buckets of different rates. */
export type RateOf = (event: Event) => (Rate & { readonly id: string }) | null;

interface Bucket {
  readonly rate: Rate;
  tokens: number;
  /** ns; when `tokens` was right. */
  at: number;
}

const MAX_BUCKETS = 4096;
const SHARED = 'shared';
/** ns; the shortest time between two searches for buckets to forget. */
const SWEEP_EVERY = 1e9;

export class RateLimiter {
  readonly #rateOf: RateOf;
  readonly #buckets = new Map<string, Bucket>();
  #swept = 0;

  constructor(rateOf: RateOf) {
    this.#rateOf = rateOf;
  }

  refusal(event: Event, at: number): Refusal | null {
    const rate = this.#rateOf(event);
    if (rate === null) return null;
    const bucket = this.#buckets.get(this.#keyOf(event, rate.id));
    if (bucket === undefined || tokensAt(bucket, at) >= 1) return null;
    const reason = `too many reviews: more than ${rate.burst} at once and ${rate.perSecond} per second`;
    return { rule: null, reason };
  }

  spend(event: Event, at: number): void {
    const rate = this.#rateOf(event);
    if (rate === null) return;
    if (this.#buckets.size >= MAX_BUCKETS) this.#sweep(at);
    const key = this.#keyOf(event, rate.id);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#buckets.set(key, { rate, tokens: rate.burst - 1, at });
      return;
    }
    bucket.tokens = tokensAt(bucket, at) - 1;
    bucket.at = Math.max(bucket.at, at);
  }

  /** Forgets the buckets that have filled up again: they say nothing that a new one would not. */
  #sweep(at: number): void {
    if (at < this.#swept + SWEEP_EVERY) return;
    this.#swept = at;
    for (const [key, bucket] of this.#buckets)
      if (tokensAt(bucket, at) >= bucket.rate.burst) this.#buckets.delete(key);
  }

  #keyOf(event: Event, rate: string): string {
    const key = `${rate}\0${event.operation}\0${event.subject.exe}`;
    if (this.#buckets.has(key) || this.#buckets.size < MAX_BUCKETS) return key;
    return `${rate}\0${SHARED}`;
  }
}

function tokensAt({ rate, tokens, at: then }: Bucket, at: number): number {
  const passed = Math.max(0, at - then) / 1e9;
  return Math.min(rate.burst, tokens + passed * rate.perSecond);
}
