/** A property's outcome: what a failed search reports, and that seed and path replay it exactly. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must, property } from '../../properties/check.ts';

const tried: number[] = [];
const below500 = property({
  name: 'numbers-stay-below-500',
  sentence: 'numbers stay below 500',
  promise: 'P0',
  cases: fc.nat({ max: 1000 }),
  show: (n) => `the number ${n}`,
  holds: (n) => {
    tried.push(n);
    must(n < 500, () => `${n} is not below 500`);
  },
});

describe('property', () => {
  it('reports the smallest counterexample, readably, and what it violates', async () => {
    const outcome = await below500.run({ runs: 100, seed: 7 });
    expect(outcome).toMatchObject({
      ok: false,
      seed: 7,
      counterexample: 'the number 500',
      violation: '500 is not below 500',
    });
    expect(outcome.runs).toBeLessThanOrEqual(100);
  });

  it('replays exactly that case from seed and path', async () => {
    const { path } = await below500.run({ runs: 100, seed: 7 });
    tried.length = 0;
    const again = await below500.run({ runs: 100, seed: 7, path: path! });
    expect(tried).toEqual([500]);
    expect(again).toMatchObject({ ok: false, counterexample: 'the number 500', path });
  });

  it('tries the same cases for the same seed and others for another', async () => {
    const cases = async (seed: number) => {
      tried.length = 0;
      await property({ ...below500Statement, name: 'any' }).run({ runs: 20, seed });
      return [...tried];
    };
    expect(await cases(1)).toEqual(await cases(1));
    expect(await cases(1)).not.toEqual(await cases(2));
  });

  it('stops at the first failure when asked to be quick', async () => {
    const quick = await below500.run({ runs: 100, seed: 7, quick: true });
    expect(quick.ok).toBe(false);
    expect(quick.counterexample).not.toBe('the number 500');
  });

  it('reports an unexpected error as a counterexample, saying where it was thrown', async () => {
    const throwing = property({
      ...below500Statement,
      name: 'throwing',
      holds: () => {
        throw new TypeError('not a violation');
      },
    });
    const outcome = await throwing.run({ runs: 5, seed: 1 });
    expect(outcome.ok).toBe(false);
    expect(outcome.violation).toMatch(/^threw TypeError: not a violation at .*check\.test\.ts/);
  });
});

const below500Statement = {
  sentence: 'numbers stay below 500',
  promise: 'P0',
  cases: fc.nat({ max: 1000 }),
  holds: (n: number) => void tried.push(n),
};
