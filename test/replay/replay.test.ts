/** Replay is exact: recorded sessions come out the same, byte for byte; other policies show as differences. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAST_PATHS } from '../../model/configuration.ts';
import { canonical } from '../../monitor/audit/canonical.ts';
import type { RecordedPayload } from '../../monitor/audit/record.ts';
import { noReviewer } from '../../monitor/reviewers/none.ts';
import { MISSING, type Replayed } from '../../replay/rejudge.ts';
import { replay } from '../../replay/replay.ts';
import { readTrace } from '../../traces/reader.ts';
import { type Attempt, POLICY, policyOf, record, type Session } from './session.ts';

const attempt: fc.Arbitrary<Attempt> = fc.record({
  operation: fc.constantFrom('read', 'write', 'connect', 'exec'),
  name: fc.constantFrom(
    '/work/a',
    '/work/.env',
    '/etc/passwd',
    '/home/u/\udcff\n',
    '/work/../x',
    'x'.repeat(300),
  ),
  reviewer: fc.constantFrom('allow', 'allow', 'deny', 'throw', 'malformed', 'never'),
  turns: fc.nat(3),
});

/** Payloads of events, in canonical form, those of one event together and in order. */
function byEvent(payloads: readonly RecordedPayload[]): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const payload of payloads) {
    if (payload.kind === 'reads' || payload.kind === 'anomaly') continue;
    const n = 'event' in payload ? payload.event.n : 'n' in payload ? payload.n : payload.kind;
    out[n] ??= [];
    out[n].push(canonical(payload));
  }
  return out;
}

async function replayed(session: Session, options: Partial<Parameters<typeof replay>[0]> = {}) {
  const payloads: RecordedPayload[] = [];
  const result = await replay({
    trace: session.trace(),
    onPayload: (p) => void payloads.push(p),
    ...options,
  });
  return { ...result, payloads };
}

const one = (name: string, more: Partial<Attempt> = {}): Attempt => ({
  operation: 'read',
  name,
  reviewer: 'allow',
  turns: 0,
  ...more,
});

describe('replay under the recorded policy and answers', () => {
  it.each(FAST_PATHS)(
    'gives the same verdicts and payloads, byte for byte (fast path %s)',
    async (fastPath) => {
      await fc.assert(
        fc.asyncProperty(fc.array(attempt, { maxLength: 12 }), fc.boolean(), async (attempts, observe) => {
          const session = await record(attempts, { fastPath, observe, deadline: 15e6 });
          const again = await replayed(session);
          expect(again).toMatchObject({ events: attempts.length, different: 0, exact: true });
          expect(byEvent(again.payloads)).toEqual(byEvent(session.payloads));
        }),
        { numRuns: 12 },
      );
    },
  );

  it('finds each edited verdict', async () => {
    const session = await record([one('/work/a'), one('/etc/x'), one('/etc/y', { reviewer: 'deny' })]);
    for (const [from, to] of [
      ['"verdict":{"verdict":"allow","layer":"policy"', '"verdict":{"verdict":"deny","layer":"policy"'],
      ['"answer":{"verdict":"allow"', '"answer":{"verdict":"deny"'],
      ['"rule":"work"', '"rule":"play"'],
    ] as const) {
      const edited = Buffer.from(session.bytes.toString().replace(from, to));
      expect(edited.equals(session.bytes)).toBe(false);
      const result = await replay({ trace: readTrace([edited], 'edited') });
      expect(result.different).toBe(1);
    }
  });

  it('counts the rate limiter in order of arrival, whatever the order of answers', async () => {
    const slow = { operation: 'connect', turns: 6 } as const;
    const quick = { operation: 'connect', turns: 0 } as const;
    const session = await record([
      one('', slow),
      one('', quick),
      one('', quick),
      one('', quick),
      one('', quick),
    ]);
    const layers = session.payloads.flatMap((p) => (p.kind === 'verdict' ? [p.layer] : []));
    expect(layers.filter((layer) => layer === 'rate').length).toBe(2);
    expect((await replayed(session)).different).toBe(0);
  });

  it('abridges to the same bytes what the trail abridged', async () => {
    const session = await record([one('x'.repeat(100_000), { operation: 'exec' })]);
    expect(session.bytes.length).toBeGreaterThan(200_000);
    expect(JSON.stringify(session.payloads).length).toBeLessThan(5000);
    const again = await replayed(session);
    expect(again.different).toBe(0);
    expect(byEvent(again.payloads)).toEqual(byEvent(session.payloads));
  });
});

describe('replay under something else', () => {
  const session = record([
    one('/work/a'),
    one('/work/.env'),
    one('/etc/x'),
    one('/etc/y', { reviewer: 'deny' }),
  ]);

  it('shows what a stricter policy would have denied', async () => {
    const policy = policyOf(POLICY.replace('effect: allow', 'effect: deny'));
    const { differences, exact } = await replayed(await session, { policy });
    expect(exact).toBe(false);
    expect(differences).toMatchObject([
      { n: 1, recorded: { verdict: 'allow' }, replayed: { verdict: 'deny', layer: 'policy', rule: 'work' } },
    ]);
  });

  it('denies what needs a review that was not recorded, and says so', async () => {
    const policy = policyOf(POLICY.replace('effect: allow', 'effect: review'));
    const { differences } = await replayed(await session, { policy });
    expect(differences).toMatchObject([
      { n: 1, replayed: { verdict: 'deny', layer: 'reviewer', reason: MISSING } },
    ]);
  });

  it('lets a policy decide what was reviewed', async () => {
    const more = '  - {id: etc, effect: allow, operations: [read], paths: ["/etc/**"]}\nrates:';
    const policy = policyOf(POLICY.replace('rates:', more));
    const { differences } = await replayed(await session, { policy });
    expect(differences).toMatchObject([
      { n: 4, replayed: { verdict: 'allow', layer: 'policy', rule: 'etc' } },
    ]);
  });

  it('asks another reviewer', async () => {
    const { differences } = await replayed(await session, { reviewer: noReviewer });
    expect(differences).toMatchObject([{ n: 3, replayed: { verdict: 'deny', layer: 'reviewer' } }]);
  });

  it('takes a reviewer that does not answer in time for a deny', async () => {
    const never = { ...noReviewer, name: 'never', review: () => new Promise<never>(() => {}) };
    const brief = await record([one('/etc/x')], { deadline: 100e6 });
    const seen: string[] = [];
    const onVerdict = ({ verdict }: Replayed) => void seen.push(`${verdict.verdict} ${verdict.layer}`);
    await replayed(brief, { reviewer: never, onVerdict });
    expect(seen).toEqual(['deny deadline']);
  });
});
