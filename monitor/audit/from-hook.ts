/**
 * From what the hook reports to what the trail records, for events that the hook decided by itself. One place
 * for the monitor, for recovery and for replay, so that their payloads are the same bytes.
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

/** One sentence on why the policy decided so. */
export function ruleReason(rules: readonly RuleName[], index: number | null): string {
  if (index === null) return 'no rule matches; the policy’s default applies';
  return rules[index]?.reason ?? `rule ${ruleId(rules, index)}`;
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
    reason: reason ?? ruleReason(rules, rule),
  };
}
