/**
 * The world in which properties play: a calm scenario goes as one would expect, the same seed gives the same
 * history to the last step, and a counterexample is replayed exactly from its seed and path.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../properties/check.ts';
import { type History, recordsOf } from '../../properties/history.ts';
import { overRuns } from '../../properties/over-runs.ts';
import { BASE } from '../../properties/policies.ts';
import { crashes, type Scenario, scenarios } from '../../properties/scenario.ts';
import { StallingClock } from '../../properties/stalling-clock.ts';
import { runScenario } from '../../properties/world.ts';

const calmly = {
  policy: BASE.ordinary,
  fastPath: 'native',
  reviewer: 'exec',
  deadline: 1e6,
  audit: { kind: 'ok' },
  pending: 10,
  prompt: true,
  stalls: [],
  segmentBytes: 64 << 20,
  crash: null,
} as const satisfies Omit<Scenario, 'plans'>;

const write = (path: string): Scenario['plans'][number] => ({
  gap: { tenths: 0, plus: 0 },
  attempt: {
    operation: 'write',
    also: [],
    object: { kind: 'path', path },
    subject: { exe: '/usr/bin/node', pid: 101 },
  },
  after: { tenths: 1, plus: 0 },
  reviewer: 'allow',
  doubted: false,
  killed: null,
});

describe('a calm run', () => {
  it('decides on the fast path, reviews the rest, and closes a trail that tells all of it', async () => {
    const plans = [write('/home/u/ws/main.c'), write('/home/u/.ssh/id_rsa'), write('/srv/a')];
    const history = await runScenario({ ...calmly, plans }, 1);
    expect(history.releases.map(({ n, verdict, by }) => [n, verdict, by])).toEqual([
      [1, 'allow', 'fast-path'],
      [2, 'deny', 'fast-path'],
      [3, 'allow', 'monitor'],
    ]);
    expect(history.trail.map(({ payload }) => payload.kind).sort()).toEqual(
      ['start', 'decision', 'decision', 'review', 'verdict', 'end'].sort(),
    );
    expect(history).toMatchObject({ settled: true, crashed: false, escaped: [] });
  });

  it('has the hook deny at the deadline while the monitor hangs', async () => {
    const stalls = [{ at: { tenths: 0, plus: 1 }, length: { tenths: 20, plus: 0 } }] as const;
    const history = await runScenario({ ...calmly, plans: [write('/srv/a')], stalls }, 1);
    const [release] = history.releases;
    expect(release).toMatchObject({ n: 1, verdict: 'deny', by: 'deadline' });
    expect(release!.at).toBe(history.arrivals[0]!.deadline);
    expect(recordsOf(history, 'verdict').map(({ payload }) => payload.layer)).toEqual(['deadline']);
  });

  it('leaves unread journal records behind when the monitor dies at once', async () => {
    const crash = { step: 1, power: false, torn: 0 };
    const history = await runScenario(
      { ...calmly, plans: [write('/home/u/ws/main.c'), write('/srv/a')], crash },
      1,
    );
    expect(history.crashed).toBe(true);
    expect(history.unread.length + history.trail.length).toBeGreaterThan(1);
    expect(history.releases.filter(({ verdict, by }) => verdict === 'allow' && by !== 'fast-path')).toEqual(
      [],
    );
  });
});

describe('a run', () => {
  it('is the same to the last step for the same scenario and scheduler', async () => {
    const cases = fc.sample(scenarios({ crash: fc.option(crashes) }), { seed: 5, numRuns: 40 });
    for (const [i, scenario] of cases.entries()) {
      const [one, other] = [await runScenario(scenario, i), await runScenario(scenario, i)];
      const plain = ({ policy: _, ...rest }: History) => JSON.stringify(rest);
      expect(plain(other)).toBe(plain(one));
    }
  });

  it('is replayed exactly by seed and path, shown with everything that happened', async () => {
    const failing = overRuns({
      name: 'nothing-is-ever-reviewed-and-allowed',
      sentence: 'nothing is ever reviewed and allowed',
      promise: 'P0',
      holds: ({ calls }) => {
        const allowed = calls.find(({ verdict }) => verdict === 'allow');
        must(allowed === undefined, () => `event ${allowed?.n} was allowed`);
      },
    });
    const found = await failing.run({ runs: 300, seed: 3 });
    expect(found.ok).toBe(false);
    expect(found.counterexample).toMatch(/monitor answers allow for event 1/);
    const again = await failing.run({ runs: 300, seed: 3, path: found.path! });
    expect(again).toMatchObject({
      runs: 1,
      counterexample: found.counterexample,
      violation: found.violation,
    });
  });
});

describe('the stalling clock', () => {
  it('fires nothing by itself, then all that is due in order of time and insertion', () => {
    const clock = new StallingClock(100);
    const fired: string[] = [];
    clock.schedule(120, () => fired.push('c'));
    clock.schedule(110, () => fired.push('a'));
    clock.schedule(110, () => fired.push('b'));
    clock.schedule(110, () => fired.push('cancelled'))();
    clock.schedule(121, () => fired.push('later'));
    clock.set(120);
    expect(fired).toEqual([]);
    clock.fire();
    expect(fired).toEqual(['a', 'b', 'c']);
    expect(clock.next()).toBe(121);
    clock.set(50);
    expect(clock.now()).toBe(120);
  });
});
