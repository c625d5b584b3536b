/**
 * The trust layer: an untrusted subject gets no review, so what policy leaves open is denied to it; a trusted
 * one is not rate-limited. Tiers come from the policy; everyone it does not name is `standard`.
 */
import type { Event } from '../../model/event.ts';
import type { Refusal } from '../../model/machine.ts';
import type { CompiledPolicy } from '../../model/policy/compile.ts';
import { rateClass, trustTier } from '../../model/policy/tiers.ts';
import type { Rate } from './rate.ts';

/** What holds where the policy states no rate: a patient reviewer's pace, and room for a burst. */
export const DEFAULT_RATE: Rate = { burst: 200, perSecond: 50 };

export function trust(policy: CompiledPolicy, event: Event): Refusal | null {
  if (trustTier(policy, event) !== 'untrusted') return null;
  return { rule: null, reason: 'the subject is untrusted, and policy does not allow this by itself' };
}

/** The rate that limits the event; null where its subject is trusted. */
export function rateOf(policy: CompiledPolicy, event: Event): (Rate & { id: string }) | null {
  if (trustTier(policy, event) === 'trusted') return null;
  const found = rateClass(policy, event);
  if (found === null) return { id: 'default', ...DEFAULT_RATE };
  const { burst, per_second } = found.rate;
  return { id: String(found.index), burst, perSecond: per_second };
}
