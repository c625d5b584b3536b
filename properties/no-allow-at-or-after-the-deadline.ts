/**
 * P2, the deadline: no allow is given at or after it, by the monitor's own reckoning and whatever the hook would
 * still refuse; and each event is answered by it, whether or not the monitor's event loop is alive.
 */
import fc from 'fast-check';
import { must } from './check.ts';
import { eventOf, gated, type History, recordsOf } from './history.ts';
import { overRuns } from './over-runs.ts';
import { BEHAVIOURS, type Behaviour, calm, chances, plans, span } from './scenario.ts';
import { attempt, reviewed } from './universe.ts';

export const noAllowAtOrAfterTheDeadline = overRuns({
  name: 'no-allow-at-or-after-the-deadline',
  sentence:
    'the monitor gives no allow at or after the deadline of the event, and records none as given then',
  promise: 'P2',
  chosen: {
    reviewer: fc.constantFrom('exec', 'human'),
    audit: fc.oneof(calm.audit, chances.audit),
    stalls: fc.array(fc.record({ at: span(10), length: span(10) }), { minLength: 1, maxLength: 3 }),
    plans: plans(
      fc.oneof(reviewed, reviewed, attempt),
      fc.constantFrom<Behaviour[]>('allow', 'allow', 'allow', 'allow', ...BEHAVIOURS),
      span(11),
    ),
  },
  holds: (history) => {
    for (const { n, verdict, at } of history.calls)
      if (verdict === 'allow') {
        const { deadline } = eventOf(history, n);
        must(at < deadline, () => `event ${n} was answered allow ${at - deadline} ns after its deadline`);
      }
    for (const { payload } of recordsOf(history, 'verdict'))
      if (payload.verdict === 'allow') {
        const { deadline } = eventOf(history, payload.n);
        must(
          payload.answered < deadline,
          () => `the trail says event ${payload.n} was allowed past its deadline`,
        );
      }
    for (const { event, verdict, answered } of history.judged)
      if (verdict.verdict === 'allow')
        must(answered < event.deadline, () => `observers saw event ${event.n} allowed past its deadline`);
  },
});

export const everyEventIsAnsweredByItsDeadline = overRuns({
  name: 'every-event-is-answered-by-its-deadline',
  sentence:
    'every event is answered by its deadline, and by the monitor itself unless its event loop stands still',
  promise: 'P2',
  holds: (history) => {
    for (const { n, at } of history.releases)
      if (n > 0) must(at <= eventOf(history, n).deadline, () => `event ${n} was released after its deadline`);
    for (const { n, deadline } of gated(history)) {
      const call = history.calls.find((call) => call.n === n);
      must(call !== undefined, () => `the monitor never answered event ${n}`);
      const latest = endOfStall(history, deadline);
      must(call.at <= latest, () => `the monitor answered event ${n} ${call.at - latest} ns too late`);
    }
  },
});

/** When the monitor's event loop moves again, if it stands still at `at`. Stalls are in order of their beginning. */
const endOfStall = (history: History, at: number): number =>
  history.stalled.reduce((end, { from, until }) => (from <= end ? Math.max(end, until) : end), at);
