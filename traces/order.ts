/**
 * What a run gives for certain about the order and the times of its events, so that lines that were moved or
 * edited show:
 *
 *   - an event that the hook decided has a higher number than every event before it: the journal numbers in order,
 *     and the monitor takes it in order; only those put up for review are answered later than their turn;
 *   - events put up for review stand in the order of `answered`, until the trail fails: a failure in the middle of
 *     one event's answer answers all others first;
 *   - an event is received, then has its inputs in order, and is answered at the last of them.
 *
 * Not promised: an order between an event put up for review and a later one that the hook decided. Either may be
 * answered first, and nothing depends on which stands first.
 */
import type { JudgedEvent } from '../monitor/judged.ts';
import type { Fault } from './shape.ts';

/** Checks the events of one trace in the order of its lines. Owner: the one reading. */
export class EventOrder {
  #highest = 0;
  #answered = 0;
  #trailFailed = false;

  /** What is wrong with the next event, or null. */
  next(judged: JudgedEvent): Fault | null {
    const { event, fast, answered, inputs } = judged;
    const highest = this.#highest;
    this.#highest = Math.max(highest, event.n);
    if (fast && event.n <= highest)
      return at(
        ['event', 'n'],
        `event ${event.n} stands after event ${highest}, out of order: lines were moved`,
      );
    if (!fast) {
      this.#trailFailed ||= inputs.some(({ type }) => type === 'unrecorded');
      if (answered < this.#answered && !this.#trailFailed)
        return at(['answered'], 'answered before the reviewed event above it: lines were moved');
      this.#answered = answered;
    }
    return timesOf(judged);
  }
}

function timesOf({ event, fast, answered, inputs }: JudgedEvent): Fault | null {
  if (fast && inputs.length > 0) return at(['inputs'], 'the hook decided this event, which takes no inputs');
  let last = event.received;
  for (const [i, input] of inputs.entries()) {
    if (input.at < last) return at(['inputs', i, 'at'], 'earlier than what came before it');
    last = input.at;
  }
  if (answered < last) return at(['answered'], 'answered before it was received, or before its last input');
  if (!fast && answered !== last) return at(['answered'], 'not the time of its last input');
  return null;
}

const at = (path: (string | number)[], what: string): Fault => ({ path, what });
