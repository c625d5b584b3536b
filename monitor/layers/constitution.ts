/** The constitution: rules of the policy that even a reviewer's allow may not break. */
import type { Event } from '../../model/event.ts';
import type { Refusal } from '../../model/machine.ts';
import { type CompiledPolicy, ruleOf } from '../../model/policy/compile.ts';
import { decideConstitution } from '../../model/policy/decide.ts';

export function constitution(policy: CompiledPolicy, event: Event): Refusal | null {
  const { effect, rule } = decideConstitution(policy, event);
  if (effect === 'allow') return null;
  const broken = ruleOf(policy.constitution, rule);
  const reason = broken?.reason || 'the constitution forbids it, whoever allows it';
  return { rule: broken?.id ?? null, reason };
}
