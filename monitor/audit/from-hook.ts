/**
 * From what a dead monitor's hook reported to what the trail records: the payloads that the monitor would have
 * written, from the journal's entries and the rules' names alone (a test holds the two together).
 */
import type { DecidedEntry } from '../hook.ts';
import type { Payload } from './record.ts';

/** What is needed of a compiled rule: a table's rule index selects one. */
export interface RuleName {
  readonly id: string;
  readonly reason?: string | undefined;
}

/** Id of the rule with this index; null for the default, or where no rule was involved. */
export function ruleId(rules: readonly RuleName[], index: number | null): string | null {
  return index === null ? null : (rules[index]?.id ?? `rule #${index}`);
}

/** One sentence on why the policy decided so, in the words of the monitor (court.ts). */
export function ruleReason(rules: readonly RuleName[], index: number | null, verdict: string): string {
  if (index === null) return `no rule speaks about it; the default is ${verdict}`;
  return rules[index]?.reason || `${verdict} by rule`;
}

/** The payload of an event that the hook's fast path decided. */
export function decisionOf(entry: DecidedEntry, rules: readonly RuleName[]): Payload & { kind: 'decision' } {
  const { event, answered, enforced, verdict, layer, rule, reason } = entry;
  return {
    kind: 'decision',
    event,
    answered,
    enforced,
    verdict,
    layer,
    rule: ruleId(rules, rule),
    reason: reason ?? ruleReason(rules, rule, verdict),
  };
}
