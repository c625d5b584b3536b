/**
 * Properties of runs: a predicate over the history of every scenario under every interleaving. A counterexample
 * is shown as the scenario and what happened in it, in order.
 */
import fc from 'fast-check';
import { property } from './check.ts';
import { type History, showHistory } from './history.ts';
import type { Property } from './property.ts';
import { type Chosen, type Scenario, scenarios, showScenario } from './scenario.ts';
import { interleaving, runScenario } from './world.ts';

interface OverRuns {
  readonly name: string;
  readonly sentence: string;
  readonly promise: string;
  /** Parts of the scenario that the property chooses for itself. */
  readonly chosen?: Chosen;
  readonly holds: (history: History) => void | Promise<void>;
}

interface Case {
  readonly scenario: Scenario;
  readonly interleaving: number;
}

export function overRuns({ chosen, holds, ...statement }: OverRuns): Property {
  return property<Case>({
    ...statement,
    cases: fc.record({ scenario: scenarios(chosen), interleaving }),
    holds: async ({ scenario, interleaving }) => holds(await runScenario(scenario, interleaving)),
    show: async ({ scenario, interleaving }) =>
      `${showScenario(scenario)}\ninterleaving ${interleaving}\n${showHistory(await runScenario(scenario, interleaving))}`,
  });
}
