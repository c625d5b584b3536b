/**
 * P7, placement: the fast path gives the same verdicts, by the same layer and rule, in the hook's own thread, in
 * the monitor and behind the reviewer's queue; only latency differs.
 */
import fc from 'fast-check';
import { FAST_PATHS } from '../model/configuration.ts';
import type { Verdict } from '../model/verdict.ts';
import { must, property } from './check.ts';
import { type History, recordsOf } from './history.ts';
import { calm, type Scenario, scenarios, showScenario } from './scenario.ts';
import { interleaving, runScenario } from './world.ts';

interface Case {
  readonly scenario: Scenario;
  readonly interleavings: readonly number[];
}

const PLACEMENTS = FAST_PATHS.filter((fastPath) => fastPath !== 'off');

/** What became of each attempt, in order of arrival; `counted` for an allowed read that is only counted. */
function verdicts(history: History): (Omit<Verdict, 'reason'> | 'counted')[] {
  const decisions = recordsOf(history, 'decision').map(({ payload }) => ({ ...payload, n: payload.event.n }));
  const judged = [...decisions, ...recordsOf(history, 'verdict').map(({ payload }) => payload)];
  return history.arrivals.map(({ n }) => {
    const found = judged.find((payload) => payload.n === n);
    if (found === undefined) return 'counted';
    return { verdict: found.verdict, layer: found.layer, rule: found.rule };
  });
}

export const placementDoesNotMatter = property<Case>({
  name: 'placement-does-not-matter',
  sentence:
    'the fast path gives the same verdict, layer and rule in the hook, in the monitor and behind the reviewer',
  promise: 'P7',
  cases: fc.record({
    // `record: all`, so that an allowed read is on record wherever it was decided.
    scenario: scenarios({ ...calm, deadline: fc.constant(4e9), fastPath: fc.constant('native') }),
    interleavings: fc.tuple(interleaving, interleaving, interleaving),
  }),
  weight: 0.5,
  holds: async ({ scenario, interleavings }) => {
    const policy = { ...scenario.policy, record: 'all' as const };
    const results = [];
    for (const [i, fastPath] of PLACEMENTS.entries())
      results.push(verdicts(await runScenario({ ...scenario, policy, fastPath }, interleavings[i]!)));
    const [first, ...others] = results;
    for (const [i, other] of others.entries())
      for (const [k, verdict] of other.entries())
        must(
          JSON.stringify(verdict) === JSON.stringify(first?.[k]),
          () =>
            `attempt ${k + 1}: ${PLACEMENTS[0]} gives ${JSON.stringify(first?.[k])}, ${PLACEMENTS[i + 1]} gives ${JSON.stringify(verdict)}`,
        );
  },
  show: ({ scenario }) => showScenario(scenario),
});
