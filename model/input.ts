/**
 * The inputs of the pipeline machine: everything from outside that one event's verdict may depend on, each with
 * the single clock reading taken for it (`at`, ns). The same inputs give the same verdict and the same audit
 * payloads (P8); nothing else enters the machine.
 */

/** What a reviewer says. */
export interface ReviewAnswer {
  readonly verdict: 'allow' | 'deny';
  readonly reason: string;
  /** Any further facts for the trail (JSON values only). */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export type Input =
  /** The monitor took the event up. */
  | { readonly type: 'received'; readonly at: number }
  /** The reviewer answered. */
  | { readonly type: 'reviewed'; readonly at: number; readonly answer: ReviewAnswer }
  /** The reviewer failed (`error` is a ReviewerError kind or `failed`), or, where `error` is MONITOR_FAILED,
   * the monitor itself did. */
  | { readonly type: 'failed'; readonly at: number; readonly error: string; readonly message: string }
  /** The record is on stable storage, or could not be put there. */
  | { readonly type: 'recorded'; readonly at: number }
  | { readonly type: 'unrecorded'; readonly at: number; readonly message: string }
  /** The deadline passed; or, after a release, the hook had denied the event by then. */
  | { readonly type: 'expired'; readonly at: number };

/** The `error` of a `failed` input that is about the monitor: a layer threw, too much waits, the run ended. */
export const MONITOR_FAILED = 'monitor';

export const INPUT_TYPES: readonly Input['type'][] = [
  'received',
  'reviewed',
  'failed',
  'recorded',
  'unrecorded',
  'expired',
];

/** True for what the machine may be given. Lateness, answers and errors are judged inside. */
export function isInput(value: unknown): value is Input {
  if (typeof value !== 'object' || value === null) return false;
  const { type, at } = value as { type?: unknown; at?: unknown };
  return typeof at === 'number' && (INPUT_TYPES as readonly unknown[]).includes(type);
}
