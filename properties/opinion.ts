/**
 * What should become of an event, by authorities that share no code with the monitor: the oracle for policy and
 * constitution, and for trust the plain list of executables (the policies of scenarios name them in full).
 */
import type { Event } from '../model/event.ts';
import { type Oracle, oracle } from '../model/oracle.ts';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import type { Effect } from '../model/verdict.ts';
import { words } from '../model/word.ts';

export interface Expected {
  readonly effect: Effect;
  /** Index of the deciding rule; null for the default. */
  readonly rule: number | null;
  readonly untrusted: boolean;
  readonly unconstitutional: boolean;
}

/** One oracle for each policy. Owner: this module. */
const oracles = new WeakMap<CompiledPolicy, Oracle>();

export function opinion(policy: CompiledPolicy, event: Event): Expected {
  let known = oracles.get(policy);
  if (known === undefined) {
    known = oracle(policy.policy, policy.environment);
    oracles.set(policy, known);
  }
  const { effect, rule } = known.event(event);
  const entry = policy.policy.trust.find(({ subjects }) =>
    subjects.some(({ text }) => text === event.subject.exe),
  );
  return {
    effect,
    rule,
    untrusted: entry?.tier === 'untrusted',
    unconstitutional: words(event).some((word) => known.breaches(word).length > 0),
  };
}
