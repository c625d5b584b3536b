/**
 * The order of replay. A trace holds events in the order of their answers (traces/order.ts); the pipeline's one shared
 * state, the rate limiter, saw the reviewed ones in the order of their arrival. So reviewed events are held back
 * until every event that arrived before them has been read; the others pass at once.
 * Memory: the reviewed events that were in flight together.
 */
import { Numbers } from '../monitor/audit/ledger.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import { TraceError } from '../traces/format.ts';

/** The same events, reviewed ones in order of arrival. Throws TraceError where a number stands twice. */
export function* inOrder(events: Iterable<JudgedEvent>): Generator<JudgedEvent> {
  const seen = new Numbers();
  const held: JudgedEvent[] = [];
  for (const judged of events) {
    const { n } = judged.event;
    if (seen.has(n)) throw new TraceError(`event ${n} stands in the trace twice`);
    seen.add(n);
    if (judged.fast) {
      yield judged;
    } else {
      let at = held.length;
      while (at > 0 && held[at - 1]!.event.n > n) at -= 1;
      held.splice(at, 0, judged);
    }
    // Numbers of a whole trace have no gaps, so this is soon reached.
    while (held.length > 0 && held[0]!.event.n <= seen.through) yield held.shift()!;
  }
  yield* held;
}
