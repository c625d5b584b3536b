/**
 * Why a policy says what it says of an event: each word that was judged with its effect, the rule that decided,
 * and the others that spoke about it. The rules that spoke are found by the oracle, one by one, so an explanation
 * does not lean on the table that it explains; where the two disagree, that is said.
 */
import { type Text, toText } from '../bytes.ts';
import { type Oracle, oracle } from '../oracle.ts';
import type { Effect } from '../verdict.ts';
import { words } from '../word.ts';
import type { CompiledPolicy, RuleInfo } from './compile.ts';
import { decide, decideWord, type Judged } from './decide.ts';
import type { Tier } from './source.ts';
import { trustTier } from './tiers.ts';

export interface ExplainedWord {
  /** Fields of the word, as in model/word.ts. */
  readonly fields: readonly Text[];
  readonly effect: Effect;
  /** Null: no rule speaks about the word; the policy's default holds. */
  readonly rule: RuleInfo | null;
  /** The other rules that speak about it, in order. */
  readonly others: readonly RuleInfo[];
  /** Constitutional rules that it would break. */
  readonly breaches: readonly RuleInfo[];
  /** False where oracle and table disagree: a fault in Portcullis. */
  readonly confirmed: boolean;
}

export interface Explanation {
  readonly effect: Effect;
  readonly rule: RuleInfo | null;
  readonly tier: Tier;
  readonly words: readonly ExplainedWord[];
}

export function explain(compiled: CompiledPolicy, event: Judged): Explanation {
  const second = oracle(compiled.policy, compiled.environment);
  const { effect, rule } = decide(compiled, event);
  return {
    effect,
    rule: rule === null ? null : compiled.rules[rule]!,
    tier: trustTier(compiled, event),
    words: words(event).map((word) => explainWord(compiled, second, word)),
  };
}

function explainWord(compiled: CompiledPolicy, second: Oracle, word: Uint8Array): ExplainedWord {
  const { effect, rule } = decideWord(compiled.walker, word);
  const opinion = second.word(word);
  return {
    fields: toText(word).split('\0'),
    effect,
    rule: rule === null ? null : compiled.rules[rule]!,
    others: second
      .matching(word)
      .filter((index) => index !== rule)
      .map((index) => compiled.rules[index]!),
    breaches: second.breaches(word).map((index) => compiled.constitution.rules[index]!),
    confirmed: opinion.effect === effect && opinion.rule === rule,
  };
}
