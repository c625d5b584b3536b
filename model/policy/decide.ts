/**
 * The authorizer. An event makes one or more claims (model/word.ts); each claim's word has an effect and the
 * rule that gave it; the strongest effect decides, and the first claim that has it names the rule.
 */
import type { Event } from '../event.ts';
import { type Effect, stronger } from '../verdict.ts';
import { words } from '../word.ts';
import type { CompiledPolicy } from './compile.ts';
import { effectOf, ruleIndexOf } from './encode.ts';
import { DEFAULT_RULE } from './table.ts';
import type { Walker } from './walk.ts';

export interface Decision {
  readonly effect: Effect;
  /** Index into the rules; null where no rule speaks about the event. */
  readonly rule: number | null;
}

export type Judged = Pick<Event, 'operation' | 'also' | 'object' | 'subject'>;

/** What the policy says of an event. */
export function decide(compiled: CompiledPolicy, event: Judged): Decision {
  return strongest(compiled.walker, words(event));
}

/** What the constitution says: deny with a rule index into `compiled.constitution.rules`, or allow (no breach). */
export function decideConstitution(compiled: CompiledPolicy, event: Judged): Decision {
  return strongest(compiled.constitution.walker, words(event));
}

/** What a table says of one word. */
export function decideWord(walker: Walker, word: Uint8Array): Decision {
  const label = walker.walk(word);
  const rule = ruleIndexOf(label);
  return { effect: effectOf(label), rule: rule === DEFAULT_RULE ? null : rule };
}

function strongest(walker: Walker, all: readonly Uint8Array[]): Decision {
  return all
    .map((word) => decideWord(walker, word))
    .reduce((best, next) => (stronger(best.effect, next.effect) === best.effect ? best : next));
}
