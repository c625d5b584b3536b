/** The runner that saves actors their cost gives the same machine: real actors are the measure. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { FAST_PATHS } from '../../model/configuration.ts';
import type { Input } from '../../model/input.ts';
import { type Layers, pipelineMachine } from '../../model/machine.ts';
import { MachineRunner } from '../../monitor/machine-runner.ts';
import { eventOf } from './bench.ts';

const at = fc.constantFrom(1, 9, 10, 11);
const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ type: fc.constant('received' as const), at }),
  fc.record({
    type: fc.constant('reviewed' as const),
    at,
    answer: fc.record({
      verdict: fc.constantFrom('allow' as const, 'deny' as const),
      reason: fc.constant('r'),
    }),
  }),
  fc.record({
    type: fc.constant('failed' as const),
    at,
    error: fc.constantFrom('monitor', 'malformed'),
    message: fc.constant('m'),
  }),
  fc.record({ type: fc.constant('recorded' as const), at }),
  fc.record({ type: fc.constant('unrecorded' as const), at, message: fc.constant('m') }),
  fc.record({ type: fc.constant('expired' as const), at }),
);

const refuses = fc.boolean().map((yes) => () => (yes ? { rule: null, reason: 'no' } : null));
const layers: fc.Arbitrary<Layers> = fc.record({
  schema: refuses,
  trust: refuses,
  rate: refuses,
  prefilter: refuses,
  constitution: refuses,
});
const facts = fc.record({
  event: fc.constant(eventOf(1, { deadline: 10 })),
  policy: fc.constantFrom('allow' as const, 'review' as const, 'deny' as const),
  fastPath: fc.constantFrom(...FAST_PATHS),
  observe: fc.boolean(),
});

describe('the machine runner', () => {
  it('goes through the states of an actor and lets out the effects of an actor', () => {
    fc.assert(
      fc.property(layers, facts, fc.array(input, { maxLength: 6 }), (layers, facts, inputs) => {
        const effects: [string, unknown][] = [];
        const note =
          (type: string) =>
          (_: unknown, params: unknown): void =>
            void effects.push([type, params]);
        const machine = pipelineMachine(layers);
        const actor = createActor(
          machine.provide({
            actions: {
              ask: note('ask'),
              record: note('record'),
              release: note('release'),
              deny: note('deny'),
              withdraw: note('withdraw'),
            },
          }),
          { input: facts },
        ).start();
        const runner = new MachineRunner(machine);
        let snapshot = runner.begin(facts);
        expect(snapshot.value).toBe(actor.getSnapshot().value);
        for (const each of inputs) {
          effects.length = 0;
          // An actor that has ended complains about further events, on the console.
          if (actor.getSnapshot().status === 'active') actor.send(each);
          const step = runner.step(snapshot, each);
          snapshot = step.snapshot;
          expect(snapshot.value).toBe(actor.getSnapshot().value);
          expect(snapshot.status).toBe(actor.getSnapshot().status);
          expect(
            step.effects.map((effect) => [effect.type, 'params' in effect ? effect.params : undefined]),
          ).toEqual(effects);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is as before after a guard has thrown', () => {
    let broken = true;
    const pass = () => null;
    const runner = new MachineRunner(
      pipelineMachine({
        schema() {
          if (broken) throw new Error('broken');
          return null;
        },
        trust: pass,
        rate: pass,
        prefilter: pass,
        constitution: pass,
      }),
    );
    const begin = runner.begin({ event: eventOf(1), policy: 'review', fastPath: 'native', observe: false });
    expect(() => runner.step(begin, { type: 'received', at: 1 })).toThrow('broken');
    broken = false;
    const { snapshot, effects } = runner.step(begin, { type: 'received', at: 1 });
    expect(snapshot.value).toBe('reviewing');
    expect(effects.map(({ type }) => type)).toEqual(['ask']);
  });
});
