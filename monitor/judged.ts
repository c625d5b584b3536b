/**
 * What the monitor tells its observers once an event is answered: the stderr lines of `run`, the trace writer,
 * the demonstration's table. `inputs` is everything from outside that the verdict depended on, each with the
 * single clock reading taken for it; feeding the same inputs again gives the same verdict, the same `answered`
 * and the same audit payloads (P8). No other clock reading may influence a verdict or a payload.
 */
import type { Event } from '../model/event.ts';
import type { Verdict } from '../model/verdict.ts';
import type { ReviewAnswer } from './reviewers/contract.ts';

export type Input =
  /** The monitor took the event up. */
  | { readonly type: 'received'; readonly at: number }
  /** The reviewer answered, or failed (`error` is a ReviewerError kind or `failed`). */
  | { readonly type: 'reviewed'; readonly at: number; readonly answer: ReviewAnswer }
  | { readonly type: 'failed'; readonly at: number; readonly error: string; readonly message: string }
  /** The record is on stable storage, or could not be put there. */
  | { readonly type: 'recorded'; readonly at: number }
  | { readonly type: 'unrecorded'; readonly at: number; readonly message: string }
  /** The deadline passed. */
  | { readonly type: 'expired'; readonly at: number };

export interface JudgedEvent {
  readonly event: Event;
  readonly verdict: Verdict;
  /** ns; the clock reading of the last input, or the hook's own time for a fast-path verdict. */
  readonly answered: number;
  readonly enforced: boolean;
  /** Whether the hook's fast path decided; then there are no inputs. */
  readonly fast: boolean;
  readonly inputs: readonly Input[];
}
