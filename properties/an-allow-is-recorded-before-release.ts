/**
 * P5, recorded before release: a reviewed allow is on stable storage before the operation runs. (What the fast
 * path allows lies in the journal first; nothing-is-lost-by-a-crash.ts has that half.)
 */
import fc from 'fast-check';
import { must } from './check.ts';
import { recordsOf } from './history.ts';
import { overRuns } from './over-runs.ts';
import { type Behaviour, plans } from './scenario.ts';
import { attempt, reviewed } from './universe.ts';

export const aReviewedAllowIsDurableBeforeRelease = overRuns({
  name: 'a-reviewed-allow-is-durable-before-release',
  sentence: 'an allow by the monitor is covered by a finished sync before the operation is released',
  promise: 'P5',
  chosen: {
    plans: plans(
      fc.oneof({ arbitrary: reviewed, weight: 3 }, { arbitrary: attempt, weight: 1 }),
      fc.constantFrom<Behaviour[]>('allow', 'allow', 'allow', 'deny'),
      fc.record({ tenths: fc.nat({ max: 9 }), plus: fc.constantFrom<(-1 | 0 | 1)[]>(0, -1, 1) }),
    ),
  },
  holds: (history) => {
    for (const { n, verdict, step } of history.calls) {
      if (verdict !== 'allow') continue;
      const record = [...recordsOf(history, 'verdict'), ...recordsOf(history, 'decision')].find(
        ({ payload }) => (payload.kind === 'verdict' ? payload.n : payload.event.n) === n,
      );
      must(record?.payload.verdict === 'allow', () => `event ${n} was allowed without a record of it`);
      // A table's allow (placement in the monitor) is a fast-path allow: written is enough unless durability is strict.
      if (record.payload.kind === 'decision') continue;
      must(record.durableAt < step, () => `event ${n} was released before its allow was on stable storage`);
    }
  },
});
