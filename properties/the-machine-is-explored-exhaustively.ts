/**
 * P1 to P5 in the small: every configuration of the pipeline machine that any sequence of inputs can reach
 * (exploration.ts). There is nothing random in it: one run is all runs.
 */
import { explore } from './exploration.ts';
import type { Property } from './property.ts';

export const everyReachableConfigurationIsSafe: Property = {
  name: 'every-reachable-configuration-is-safe',
  sentence: 'no sequence of inputs leads the pipeline machine to an unsafe configuration (exhaustive)',
  promise: 'P1',
  run: async ({ seed }) => {
    const { violation, configurations } = explore();
    if (violation === null) return { ok: true, runs: configurations, seed };
    const counterexample = violation.path.join('\n');
    return {
      ok: false,
      runs: configurations,
      seed,
      counterexample,
      violation: violation.sentence,
      path: '0',
    };
  },
};
