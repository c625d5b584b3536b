/**
 * Which trust tier a subject has and which rate entry an event falls under. Pure functions of policy and event;
 * the buckets themselves belong to the monitor.
 */
import { toBytes } from '../bytes.ts';
import type { Event } from '../event.ts';
import type { CompiledPolicy } from './compile.ts';
import { decideWord } from './decide.ts';
import type { RateEntry, Tier } from './source.ts';

type Attempt = Pick<Event, 'operation' | 'subject'>;

const word = ({ operation, subject }: Attempt) => toBytes(`${operation}\0${subject.exe}\0`);

/** The tier of the event's subject: the first entry that names it, otherwise `standard`. */
export function trustTier(compiled: CompiledPolicy, event: Attempt): Tier {
  const { rule } = decideWord(compiled.trust, word(event));
  return rule === null ? 'standard' : compiled.policy.trust[rule]!.tier;
}

/** The first rate entry that covers the event, with its index; null where none does. */
export function rateClass(
  compiled: CompiledPolicy,
  event: Attempt,
): { index: number; rate: RateEntry } | null {
  const { rule } = decideWord(compiled.rates, word(event));
  return rule === null ? null : { index: rule, rate: compiled.policy.rates[rule]! };
}
