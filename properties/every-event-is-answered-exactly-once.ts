/**
 * P1, complete mediation: every event gets exactly one answer, an answer opens the gate only where an allow was
 * recorded for it, and the hook's own counters agree with the trail to the last event.
 */
import fc from 'fast-check';
import { verifyTrail } from '../monitor/audit/verify.ts';
import { must } from './check.ts';
import { gated, type History, recordsOf } from './history.ts';
import { MemoryStore } from './memory-store.ts';
import { overRuns } from './over-runs.ts';
import { BEHAVIOURS, type Behaviour, calm, plans, span } from './scenario.ts';
import { attempt, reading, reviewed } from './universe.ts';

export const everyEventIsAnsweredExactlyOnce = overRuns({
  name: 'every-event-is-answered-exactly-once',
  sentence: 'every event is answered exactly once, and the monitor never answers one twice or not at all',
  promise: 'P1',
  holds: (history) => {
    cameToRest(history);
    must(history.releases.length === history.arrivals.length, () => 'arrivals and releases differ in number');
    for (const { n } of history.arrivals.filter(({ n }) => n > 0)) {
      const releases = history.releases.filter((release) => release.n === n).length;
      must(releases === 1, () => `event ${n} was released ${releases} times`);
    }
    for (const { n } of gated(history)) {
      const calls = history.calls.filter((call) => call.n === n).length;
      must(calls === 1, () => `the monitor answered event ${n} ${calls} times`);
      const told = history.judged.filter(({ event }) => event.n === n).length;
      must(told === 1, () => `observers were told of event ${n} ${told} times`);
    }
  },
});

export const nothingIsReleasedWithoutAnAllow = overRuns({
  name: 'nothing-is-released-without-an-allow',
  sentence: 'no operation is released without a recorded allow, and none that was recorded as denied',
  promise: 'P1',
  holds: (history) => {
    for (const { n, by, verdict } of history.releases) {
      if (verdict !== 'allow' || n === 0) continue;
      const verdicts = [...recordsOf(history, 'decision'), ...recordsOf(history, 'verdict')]
        .map(({ payload }) => payload)
        .filter((payload) => (payload.kind === 'verdict' ? payload.n : payload.event.n) === n);
      // A fast path's allow lies in the journal first; a trail that failed never takes it over.
      if (by === 'fast-path' && verdicts.length === 0 && history.storeFailedAt !== null) continue;
      must(verdicts.length === 1, () => `event ${n} was released with ${verdicts.length} recorded verdicts`);
      must(verdicts[0]?.verdict === 'allow', () => `event ${n} was released, yet recorded as denied`);
      const judged = history.judged.find(({ event }) => event.n === n);
      must(judged?.verdict.verdict === 'allow', () => `event ${n} was released, yet observers saw a deny`);
    }
  },
});

export const countersReconcileWithTheTrail = overRuns({
  name: 'counters-reconcile-with-the-trail',
  sentence: "the hook's counters, the records of the trail and what was released agree exactly",
  promise: 'P1',
  chosen: {
    audit: calm.audit,
    fastPath: fc.constantFrom('native', 'native', 'monitor', 'reviewer', 'off'),
    plans: plans(
      fc.oneof(reading, attempt, reviewed),
      fc.constantFrom<Behaviour[]>('allow', ...BEHAVIOURS),
      span(12),
    ),
  },
  holds: (history) => {
    cameToRest(history);
    const verification = verifyTrail(MemoryStore.of(history.written));
    must(verification.ok, () => `the trail does not verify: ${verification.problem?.what}`);
    must(verification.closed, () => 'the trail was not closed');
    const decisions = recordsOf(history, 'decision');
    const verdicts = recordsOf(history, 'verdict');
    const reviews = recordsOf(history, 'review').length;
    const reads = recordsOf(history, 'reads').reduce((sum, { payload }) => sum + payload.count, 0);
    const { events, counted, denied } = history.counters;
    must(
      decisions.length + reviews === events,
      () => `${events} events, ${decisions.length + reviews} in the trail`,
    );
    must(reads === counted, () => `${counted} reads were counted, ${reads} are in the trail`);
    const late = recordsOf(history, 'late').length;
    const refused =
      [...decisions, ...verdicts].filter(({ payload }) => payload.verdict === 'deny').length + late;
    must(refused === denied, () => `${denied} events were denied, the trail says ${refused}`);
  },
});

function cameToRest(history: History): void {
  must(history.escaped.length === 0, () => `an error escaped: ${String(history.escaped[0])}`);
  must(history.settled, () => 'the run never came to rest');
}
