/**
 * P4, deny is final: what policy, trust, the constitution or the reviewer denies is never released, and the
 * reviewer is asked only about events that policy put up for review. Judged by the oracle (model/oracle.ts),
 * which shares no code with what the monitor uses.
 */
import fc from 'fast-check';
import { must } from './check.ts';
import { gated } from './history.ts';
import { opinion } from './opinion.ts';
import { overRuns } from './over-runs.ts';
import { BASE } from './policies.ts';
import { BEHAVIOURS, type Behaviour, calm, chances, plans, span } from './scenario.ts';
import { type Attempt, attempt, reviewed } from './universe.ts';

const ofAStranger = reviewed.map((one): Attempt => ({ ...one, subject: { exe: '/opt/stranger', pid: 103 } }));

export const denyIsFinal = overRuns({
  name: 'deny-is-final',
  sentence: 'no later layer turns a deny into an allow',
  promise: 'P4',
  chosen: {
    policy: fc.oneof(fc.constant(BASE['strict-gateway']), chances.policy),
    reviewer: fc.constantFrom('exec', 'human'),
    audit: fc.oneof(calm.audit, chances.audit),
    plans: plans(
      fc.oneof(reviewed, attempt, ofAStranger),
      fc.oneof({ arbitrary: fc.constant<Behaviour>('allow'), weight: 3 }, fc.constantFrom(...BEHAVIOURS)),
      span(8),
    ),
  },
  holds: (history) => {
    for (const { n, verdict } of history.releases) {
      const event = history.arrivals.find((event) => event.n === n);
      if (verdict !== 'allow' || event === undefined || n === 0) continue;
      const { effect, untrusted, unconstitutional } = opinion(history.policy, event);
      must(effect !== 'deny', () => `policy denies event ${n}, yet it was released`);
      const mustAsk = effect === 'review' || history.scenario.fastPath === 'off';
      if (!mustAsk) continue;
      must(!untrusted, () => `the subject of event ${n} is untrusted, yet it was released`);
      must(!unconstitutional, () => `event ${n} breaks the constitution, yet it was released`);
      const call = history.calls.find((call) => call.n === n);
      const said = history.said.filter((said) => said.n === n);
      must(
        said.length === 1 && said[0]!.what === 'allow' && said[0]!.step < (call?.step ?? 0),
        () => `event ${n} was released without the reviewer's allow`,
      );
    }
  },
});

export const reviewersSeeOnlyWhatPolicyPutUpForReview = overRuns({
  name: 'reviewers-see-only-what-policy-put-up-for-review',
  sentence:
    'a reviewer is asked once about an event that policy puts up for review, and never about any other',
  promise: 'P4',
  holds: (history) => {
    const asked = new Set<number>();
    for (const { n, step } of history.asked) {
      const answered = history.calls.find((call) => call.n === n)?.step ?? Number.POSITIVE_INFINITY;
      must(step < answered, () => `the reviewer was asked about event ${n}, which was answered already`);
      must(!asked.has(n), () => `the reviewer was asked twice about event ${n}`);
      asked.add(n);
      const event = gated(history).find((event) => event.n === n);
      must(
        event !== undefined,
        () => `the reviewer was asked about event ${n}, which the fast path had decided`,
      );
      const { effect, untrusted } = opinion(history.policy, event);
      const off = history.scenario.fastPath === 'off' && effect === 'allow';
      must(
        effect === 'review' || off,
        () => `the reviewer was asked about event ${n}, which policy decides (${effect})`,
      );
      must(!untrusted, () => `the reviewer was asked about event ${n} of an untrusted subject`);
    }
  },
});
