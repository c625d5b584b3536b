/** Recovery writes of a dead monitor's journal what the monitor itself would have written. */
import { expect, it } from 'vitest';
import { decide } from '../../model/policy/decide.ts';
import { decisionOf } from '../../monitor/audit/from-hook.ts';
import { POLICY, policyOf, record } from '../replay/session.ts';

it('a decision recovered from the journal is the payload of the live monitor', async () => {
  const source = POLICY.replace('default: review', 'default: deny');
  const names = ['/work/a', '/work/.env', '/elsewhere'];
  const attempts = names.map((name) => ({ operation: 'read', name, reviewer: 'deny', turns: 0 }) as const);
  const { payloads } = await record(attempts, { source });
  const policy = policyOf(source);
  const rules = policy.rules.map(({ id, reason }) => ({ id, reason }));
  const decisions = payloads.filter((payload) => payload.kind === 'decision');
  expect(decisions.map(({ rule }) => rule)).toEqual(['work', 'secrets', null]);
  for (const live of decisions) {
    const event = live.event as Parameters<typeof decisionOf>[0]['event'];
    const { rule } = decide(policy, event);
    const { verdict, layer, answered, enforced } = live;
    expect(decisionOf({ kind: 'decided', event, verdict, layer, rule, answered, enforced }, rules)).toEqual(
      live,
    );
  }
});
