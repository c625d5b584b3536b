/** The monitor with the real pipeline, one promise after the other. */
import { describe, expect, it } from 'vitest';
import type { FastPath } from '../../model/configuration.ts';
import { ReviewerError } from '../../monitor/reviewers/contract.ts';
import { settled } from '../../monitor/virtual-clock.ts';
import { bench, eventOf, NO, POLICY, policyOf, SECOND, thePolicy, YES } from './bench.ts';

describe('a reviewed allow', () => {
  it('is recorded, synced and only then released', async () => {
    const { hook, reviewer, trail, records, judged } = bench();
    let release = () => {};
    trail.slow = new Promise((resolve) => {
      release = resolve;
    });
    hook.review(eventOf(1));
    await reviewer.says(1, YES);
    expect(records()).toEqual(['review', 'verdict allow reviewer']);
    expect(hook.answers).toEqual([]);
    release();
    await settled();
    expect(trail.synced).toBe(2);
    expect(hook.answers).toEqual([[1, 'allow']]);
    expect(judged[0]).toMatchObject({
      verdict: { verdict: 'allow', layer: 'reviewer', rule: 'look-first', reason: 'looks fine' },
      fast: false,
      enforced: true,
    });
    expect(judged[0]!.inputs.map(({ type }) => type)).toEqual(['received', 'reviewed', 'recorded']);
  });

  it('names in the trail what the reviewer was asked and said', async () => {
    const { hook, reviewer, trail } = bench();
    hook.review(eventOf(1));
    await reviewer.says(1, { ...YES, facts: { score: 1 }, more: 'dropped' });
    expect(trail.payloads[1]).toMatchObject({
      kind: 'verdict',
      n: 1,
      reviewer: { name: 'test', verdict: 'allow', reason: 'looks fine', facts: { score: 1 } },
    });
    expect(JSON.stringify(trail.payloads[1])).toMatch(/"input":"[0-9a-f]{64}"/);
    expect(JSON.stringify(trail.payloads)).not.toContain('dropped');
  });

  it('is withdrawn when the record takes until the deadline', async () => {
    const { hook, reviewer, trail, records, clock, monitor, judged } = bench();
    trail.slow = new Promise(() => {});
    hook.review(eventOf(1));
    await reviewer.says(1, YES);
    await clock.advanceTo(4 * SECOND);
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(records()).toEqual(['review', 'verdict allow reviewer', 'late']);
    expect(judged[0]!.verdict).toMatchObject({ verdict: 'deny', layer: 'deadline' });
    expect(monitor.counters.late).toBe(1);
  });

  it('is withdrawn when the event loop stood still past the deadline', async () => {
    const { hook, reviewer, trail, records, clock } = bench();
    let release = () => {};
    trail.slow = new Promise((resolve) => {
      release = resolve;
    });
    hook.review(eventOf(1));
    await reviewer.says(1, YES);
    clock.stallTo(4 * SECOND);
    release();
    await settled();
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(records().at(-1)).toBe('late');
  });

  it('is withdrawn when the hook had denied the event by then', async () => {
    const { hook, reviewer, records, judged } = bench();
    hook.gone.add(1);
    hook.review(eventOf(1));
    await reviewer.says(1, YES);
    expect(hook.answers).toEqual([[1, 'allow']]);
    expect(records().at(-1)).toBe('late');
    expect(judged).toHaveLength(1);
    expect(judged[0]!.verdict).toMatchObject({ verdict: 'deny', layer: 'deadline' });
  });

  it('does not stand against the constitution', async () => {
    const { hook, reviewer, judged } = bench();
    hook.review(eventOf(1, { path: '/srv/boot/kernel' }));
    await reviewer.says(1, YES);
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]!.verdict).toEqual({
      verdict: 'deny',
      layer: 'constitution',
      rule: 'never-boot',
      reason: 'nobody may allow this',
    });
  });

  it('comes too late when it comes at the deadline with no timer fired', async () => {
    const { hook, reviewer, clock } = bench();
    hook.review(eventOf(1));
    clock.stallTo(4 * SECOND);
    await reviewer.says(1, YES);
    expect(hook.answers).toEqual([[1, 'deny']]);
  });
});

describe('every doubt denies', () => {
  it.each([
    ['a deny', NO, 'does not look fine'],
    ['a verdict that is none', { verdict: 'ALLOW', reason: 'x' }, 'neither allow nor deny'],
    ['a truthy verdict', { verdict: true, reason: 'x' }, 'neither allow nor deny'],
    ['no reason', { verdict: 'allow' }, 'reason is not a string'],
    ['nothing', undefined, 'not an object'],
    ['facts that are not JSON', { ...YES, facts: { n: Number.NaN } }, 'not JSON'],
    ['too many facts', { ...YES, facts: { s: 'x'.repeat(5000) } }, 'longer'],
    ['a novel', { verdict: 'allow', reason: 'x'.repeat(2000) }, 'longer'],
  ])('the answer is %s', async (_, answer, reason) => {
    const { hook, reviewer, judged } = bench();
    hook.review(eventOf(1));
    await reviewer.says(1, answer);
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]!.verdict.layer).toBe('reviewer');
    expect(judged[0]!.verdict.reason).toContain(reason);
  });

  it('the reviewer fails, with the reason in the trail', async () => {
    const { hook, reviewer, trail } = bench();
    hook.review(eventOf(1), eventOf(2));
    await reviewer.fails(1, new ReviewerError('malformed', 'gibberish'));
    await reviewer.fails(2, new TypeError('undefined is not a function'));
    expect(hook.answers).toEqual([
      [1, 'deny'],
      [2, 'deny'],
    ]);
    expect(trail.payloads[2]).toMatchObject({ reviewer: { error: 'malformed', reason: 'gibberish' } });
    expect(trail.payloads[3]).toMatchObject({ reviewer: { error: 'failed' } });
  });

  it('the reviewer throws before it promises anything', async () => {
    const { hook } = bench({
      reviewer: {
        name: 'thrower',
        start: async () => {},
        stop: async () => {},
        review: () => {
          throw new Error('no');
        },
      },
    });
    hook.review(eventOf(1));
    await settled();
    expect(hook.answers).toEqual([[1, 'deny']]);
  });

  it('nobody answers', async () => {
    const { hook, reviewer, clock, judged, trail } = bench();
    hook.review(eventOf(1));
    await clock.advanceTo(4 * SECOND - 1);
    expect(hook.answers).toEqual([]);
    await clock.advanceTo(4 * SECOND);
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]).toMatchObject({ verdict: { layer: 'deadline' }, answered: 4 * SECOND });
    expect(trail.payloads[1]).toMatchObject({ reviewer: { error: 'missing' } });
    expect(reviewer.signals[0]!.aborted).toBe(true);
    await reviewer.says(1, YES);
    expect(hook.answers).toHaveLength(1);
  });

  it('too many wait', async () => {
    const { hook, monitor, reviewer, judged } = bench({ limits: { pending: 2 } });
    hook.review(eventOf(1), eventOf(2), eventOf(3));
    expect(hook.answers).toEqual([[3, 'deny']]);
    expect(judged[0]!.verdict).toMatchObject({ layer: 'monitor' });
    expect(judged[0]!.verdict.reason).toContain('2 operations already wait');
    expect(monitor.pending).toBe(2);
    await reviewer.says(1, YES);
    hook.review(eventOf(4));
    expect(monitor.pending).toBe(2);
  });

  it('the run ends', async () => {
    const { hook, monitor, judged } = bench();
    hook.review(eventOf(1));
    await monitor.stop();
    hook.review(eventOf(2));
    expect(hook.answers).toEqual([
      [1, 'deny'],
      [2, 'deny'],
    ]);
    expect(judged.map(({ verdict }) => verdict.layer)).toEqual(['monitor', 'monitor']);
  });

  it('the hook says review where the table does not', () => {
    const { hook, judged, reviewer } = bench();
    hook.review(eventOf(1, { path: '/home/u/ws/x' }), eventOf(2, { path: '/home/u/.ssh/id' }));
    expect(hook.answers.map(([, verdict]) => verdict)).toEqual(['deny', 'deny']);
    expect(judged[0]!.verdict.layer).toBe('monitor');
    expect(judged[0]!.verdict.reason).toContain('disagree');
    expect(reviewer.asked).toEqual([]);
  });

  it('the event makes the monitor throw', () => {
    const { hook, judged } = bench();
    hook.review({ ...eventOf(1), object: null as never });
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]!.verdict.layer).toBe('monitor');
  });

  it('an event arrives after its deadline', () => {
    const { hook, judged, reviewer } = bench();
    hook.review(eventOf(1, { deadline: 1 }));
    expect(judged[0]!.verdict.layer).toBe('deadline');
    expect(reviewer.asked).toEqual([]);
  });

  it('an event comes a second time: it is not answered a second time', () => {
    const { hook, monitor } = bench();
    hook.review(eventOf(1, { deadline: 1 }), eventOf(1));
    expect(hook.answers).toHaveLength(1);
    expect(monitor.counters.anomalies).toBe(1);
  });
});

describe('the layers before the reviewer', () => {
  it.each([
    ['schema', { path: 'relative' }],
    ['trust', { exe: '/opt/stranger' }],
    ['prefilter', { path: '/srv/\u202egpj.exe' }],
  ] as const)('%s refuses without asking', (layer, changes) => {
    const { hook, judged, reviewer, records } = bench();
    hook.review(eventOf(1, changes));
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]!.verdict.layer).toBe(layer);
    expect(reviewer.asked).toEqual([]);
    expect(records()).toEqual(['review', `verdict deny ${layer}`]);
  });

  it('rate: a burst, then one a second; a trusted subject as it likes', async () => {
    const { hook, clock, judged, reviewer } = bench();
    const layers = () => judged.map(({ event, verdict }) => [event.n, verdict.layer]);
    const deletion = { operation: 'delete', deadline: 100 * SECOND } as const;
    hook.review(eventOf(1, deletion), eventOf(2, deletion), eventOf(3, deletion));
    expect(layers()).toEqual([[3, 'rate']]);
    await clock.advance(SECOND);
    hook.review(eventOf(4, deletion), eventOf(5, deletion));
    expect(layers().at(-1)).toEqual([5, 'rate']);
    expect(reviewer.asked.map(({ event }) => event.n)).toEqual([1, 2, 4]);
    for (let n = 6; n < 20; n += 1) hook.review(eventOf(n, { ...deletion, exe: '/opt/friend' }));
    expect(reviewer.asked).toHaveLength(3 + 14);
  });
});

describe('a trail that fails', () => {
  it('denies what is being recorded, what waits and what comes, and says so once', async () => {
    const fatal: string[] = [];
    const { hook, reviewer, trail, judged, monitor } = bench({ onFatal: (message) => fatal.push(message) });
    hook.review(eventOf(1), eventOf(2));
    trail.failAt = 3;
    await reviewer.says(1, YES);
    hook.review(eventOf(3));
    expect(hook.answers.sort()).toEqual([
      [1, 'deny'],
      [2, 'deny'],
      [3, 'deny'],
    ]);
    expect(judged.map(({ verdict }) => verdict.layer)).toEqual(['audit', 'audit', 'audit']);
    expect(fatal).toEqual(['no space left']);
    expect(monitor.pending).toBe(0);
  });

  it('denies the allow whose sync fails', async () => {
    const { hook, reviewer, trail, judged } = bench();
    trail.failSync = true;
    hook.review(eventOf(1));
    await reviewer.says(1, YES);
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(judged[0]!.verdict).toMatchObject({ layer: 'audit', reason: 'input/output error' });
  });

  it('asks no reviewer where the review cannot be recorded', async () => {
    const { hook, reviewer, trail } = bench();
    trail.failAt = 1;
    hook.review(eventOf(1));
    await settled();
    expect(hook.answers).toEqual([[1, 'deny']]);
    expect(reviewer.asked).toEqual([]);
  });

  it('can be told from outside', () => {
    const { hook, monitor } = bench();
    hook.review(eventOf(1));
    monitor.fail('the disk is gone');
    expect(hook.answers).toEqual([[1, 'deny']]);
  });
});

describe('placements of the fast path', () => {
  const events = [
    eventOf(1, { path: '/home/u/ws/x' }),
    eventOf(2, { path: '/home/u/.ssh/id' }),
    eventOf(3),
    eventOf(4, { path: '/srv/boot/x' }),
    eventOf(5, { exe: '/opt/stranger' }),
  ];
  const run = async (fastPath: FastPath) => {
    const { hook, reviewer, judged, records } = bench({ fastPath });
    for (const event of events) {
      hook.review(event);
      await settled();
      if (reviewer.asked.at(-1)?.event === event) await reviewer.says(event.n, YES);
    }
    const verdicts = judged.map(({ verdict }) => verdict);
    return { verdicts, answers: hook.answers, records: records(), asked: reviewer.asked.length };
  };

  it('monitor and reviewer give the same verdicts and records', async () => {
    const here = await run('monitor');
    expect(here.verdicts.map(({ verdict, layer }) => `${verdict} ${layer}`)).toEqual([
      'allow policy',
      'deny policy',
      'allow reviewer',
      'deny constitution',
      'deny trust',
    ]);
    expect(here.records.slice(0, 2)).toEqual(['decision allow policy', 'decision deny policy']);
    expect(here.asked).toBe(2);
    expect(await run('reviewer')).toEqual(here);
  });

  it('off puts to the reviewer whatever policy does not deny', async () => {
    const { verdicts, asked } = await run('off');
    expect(verdicts.map(({ layer }) => layer)).toEqual([
      'reviewer',
      'policy',
      'reviewer',
      'constitution',
      'trust',
    ]);
    expect(asked).toBe(3);
  });

  it('a policy allow waits for the disk only where durability is strict', async () => {
    for (const [strict, synced] of [
      [false, 0],
      [true, 1],
    ] as const) {
      const policy = policyOf(strict ? `${POLICY}durability: strict\n` : POLICY);
      const { hook, trail } = bench({ policy, fastPath: 'monitor' });
      hook.review(eventOf(1, { path: '/home/u/ws/x' }));
      expect(hook.answers).toHaveLength(strict ? 0 : 1);
      await settled();
      expect(hook.answers).toEqual([[1, 'allow']]);
      expect(trail.synced).toBe(synced);
    }
  });
});

describe('observing', () => {
  it('records what would be denied, lets it through and asks nobody', async () => {
    const { hook, judged, reviewer, trail } = bench({ observe: true });
    hook.review(eventOf(1), eventOf(2, { exe: '/opt/stranger' }));
    await settled();
    expect(hook.answers).toEqual([
      [1, 'allow'],
      [2, 'allow'],
    ]);
    expect(judged.map(({ verdict, enforced }) => [verdict.verdict, verdict.layer, enforced])).toEqual([
      ['deny', 'reviewer', false],
      ['deny', 'trust', false],
    ]);
    expect(reviewer.asked).toEqual([]);
    expect(trail.payloads.at(-1)).toMatchObject({ kind: 'verdict', enforced: false });
  });
});

describe('what the hook decided', () => {
  it('is recorded with the rule that decided, in order', () => {
    const { hook, trail, judged } = bench();
    const free = thePolicy().rules.findIndex(({ id }) => id === 'free');
    const decided = { kind: 'decided', layer: 'policy', answered: 7, enforced: true } as const;
    hook.deliver(
      { ...decided, event: eventOf(1), verdict: 'allow', rule: free },
      { ...decided, event: eventOf(2), verdict: 'deny', layer: 'hook', rule: null, reason: 'no such caller' },
    );
    expect(trail.payloads).toMatchObject([
      { kind: 'decision', rule: 'free', reason: 'the workspace is free', answered: 7 },
      { kind: 'decision', layer: 'hook', reason: 'no such caller' },
    ]);
    expect(judged.map(({ fast, inputs }) => [fast, inputs.length])).toEqual([
      [true, 0],
      [true, 0],
    ]);
  });

  it('counts the reads of a batch by executable, process and rule, and holds nothing back', () => {
    const { hook, trail, clock, monitor } = bench();
    const read = { kind: 'counted', exe: '/usr/bin/cat', pid: 1, rule: null } as const;
    hook.deliver(read, read, { ...read, pid: 2 });
    expect(trail.payloads).toEqual([
      { kind: 'reads', exe: '/usr/bin/cat', pid: 1, rule: null, count: 2 },
      { kind: 'reads', exe: '/usr/bin/cat', pid: 2, rule: null, count: 1 },
    ]);
    hook.deliver(read);
    expect(trail.payloads).toHaveLength(3);
    expect(clock.next()).toBeNull();
    expect(monitor.counters.counted).toBe(4);
  });
});
