/**
 * P3, fail closed: whatever fails, the answer is deny: a reviewer that errs, throws, stays silent or returns
 * nonsense, a trail that cannot be written, a full queue, a layer that throws.
 */
import fc from 'fast-check';
import { must } from './check.ts';
import { gated, type History, recordsOf } from './history.ts';
import { opinion } from './opinion.ts';
import { overRuns } from './over-runs.ts';
import { BEHAVIOURS, type Behaviour, calm, plans } from './scenario.ts';
import { attempt, reviewed } from './universe.ts';

const FAILING = BEHAVIOURS.filter((behaviour) => behaviour !== 'allow' && behaviour !== 'deny');

const soon = fc.record({ tenths: fc.nat({ max: 3 }), plus: fc.constantFrom<(-1 | 0 | 1)[]>(0, 1) });

export const aReviewerThatFailsDenies = overRuns({
  name: 'a-reviewer-that-fails-denies',
  sentence:
    'a reviewer that errs, throws, stays silent or returns nonsense denies, and once it broke the protocol it is believed no more',
  promise: 'P3',
  chosen: {
    ...calm,
    reviewer: fc.constantFrom('exec', 'human'),
    fastPath: fc.constantFrom('native', 'monitor', 'reviewer', 'off'),
    plans: plans(reviewed, fc.constantFrom<Behaviour[]>('allow', 'allow', ...FAILING), soon, 0),
  },
  holds: (history) => {
    must(history.escaped.length === 0, () => `an error escaped: ${String(history.escaped[0])}`);
    believedNoMore(history);
    for (const { n } of history.asked) {
      const behaviour =
        history.scenario.plans[history.arrivals.findIndex((event) => event.n === n)]?.reviewer;
      if (behaviour === 'allow') continue;
      const release = history.releases.find((release) => release.n === n);
      must(
        release?.verdict === 'deny',
        () => `the reviewer failed on event ${n} (${behaviour}), yet it was released`,
      );
      const record = recordsOf(history, 'verdict').find(({ payload }) => payload.n === n)?.payload;
      must(record?.verdict === 'deny', () => `the reviewer failed on event ${n}, and the trail says no deny`);
      must(
        record.layer === 'reviewer' || record.layer === 'deadline',
        () => `the reviewer failed on event ${n}, yet layer ${record.layer} is said to have denied`,
      );
    }
  },
});

/** A child that died or broke the protocol decides nothing any more: what it says later denies. */
function believedNoMore({ scenario, said, releases }: History): void {
  if (scenario.reviewer !== 'exec') return;
  const broke = said.find(({ what }) => what === 'failure')?.step ?? Number.POSITIVE_INFINITY;
  for (const { n } of said.filter(({ step }) => step > broke))
    must(
      releases.find((release) => release.n === n)?.verdict === 'deny',
      () => `event ${n} was released on the word of a reviewer that had broken the protocol`,
    );
}

export const aTrailThatFailsDenies = overRuns({
  name: 'a-trail-that-fails-denies',
  sentence: 'once a write or sync of the trail has failed, the monitor allows nothing any more',
  promise: 'P3',
  chosen: {
    audit: fc.oneof(
      fc.record({ kind: fc.constant('write-fails' as const), at: fc.integer({ min: 2, max: 8 }) }),
      fc.record({ kind: fc.constant('sync-fails' as const), at: fc.integer({ min: 1, max: 4 }) }),
      fc.record({
        kind: fc.constant('full' as const),
        at: fc.integer({ min: 2, max: 8 }),
        part: fc.constantFrom(0, 0.5),
      }),
    ),
    plans: plans(
      fc.oneof({ arbitrary: reviewed, weight: 3 }, { arbitrary: attempt, weight: 1 }),
      fc.constant<Behaviour>('allow'),
      soon,
    ),
  },
  holds: (history) => {
    must(history.escaped.length === 0, () => `an error escaped: ${String(history.escaped[0])}`);
    const failed = history.storeFailedAt ?? Number.POSITIVE_INFINITY;
    for (const { n, verdict, step } of history.calls)
      must(step < failed || verdict === 'deny', () => `event ${n} was allowed after the trail had failed`);
  },
});

export const aFullQueueDenies = overRuns({
  name: 'a-full-queue-denies',
  sentence: 'no more reviews are in flight than the limit says, and those beyond it are denied at once',
  promise: 'P3',
  chosen: {
    ...calm,
    pending: fc.constantFrom(1, 2),
    reviewer: fc.constantFrom('exec', 'human'),
    plans: plans(
      reviewed,
      fc.constant<Behaviour>('allow'),
      fc.record({ tenths: fc.integer({ min: 1, max: 9 }), plus: fc.constant<0>(0) }),
    ),
  },
  holds: (history) => {
    const steps = [
      ...history.asked.map(({ step, n }) => ({ step, n, change: 1 })),
      ...history.calls
        .filter(({ n }) => history.asked.some((asked) => asked.n === n))
        .map(({ step, n }) => ({ step, n, change: -1 })),
    ].sort((a, b) => a.step - b.step);
    let waiting = 0;
    for (const { n, change } of steps) {
      waiting += change;
      must(waiting <= history.scenario.pending, () => `event ${n} was the ${waiting}th in flight`);
    }
    for (const { n } of gated(history))
      must(
        history.calls.some((call) => call.n === n),
        () => `event ${n} was never answered by the monitor`,
      );
  },
});

export const aHookThatDisagreesDenies = overRuns({
  name: 'a-hook-that-disagrees-denies',
  sentence:
    'an event that a native fast path puts up for review although policy decides it is denied unasked',
  promise: 'P3',
  chosen: {
    ...calm,
    fastPath: fc.constant('native'),
    plans: plans(attempt, fc.constant<Behaviour>('allow'), soon, 2),
  },
  holds: (history) => {
    for (const event of gated(history)) {
      const { effect } = opinion(history.policy, event);
      if (effect === 'review') continue;
      const release = history.releases.find(({ n }) => n === event.n);
      must(
        release?.verdict === 'deny',
        () => `policy says ${effect} of event ${event.n}; the doubted event was released`,
      );
      must(
        !history.asked.some(({ n }) => n === event.n),
        () => `the reviewer was asked about event ${event.n}`,
      );
    }
  },
});
