/**
 * What the monitor tells its observers once an event is answered: the stderr lines of `run`, the trace writer,
 * the demonstration's table. `inputs` is everything from outside that the verdict depended on, each with the
 * single clock reading taken for it; feeding the same inputs again gives the same verdict, the same `answered`
 * and the same audit payloads (P8). No other clock reading may influence a verdict or a payload.
 */
import type { Event } from '../model/event.ts';
import type { Input } from '../model/input.ts';
import type { Verdict } from '../model/verdict.ts';

export type { Input };

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
