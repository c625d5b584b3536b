/**
 * From a fast-check arbitrary and a predicate to a Property. The predicate throws a Violation (one sentence)
 * or any error; whatever it throws is a counterexample. Same seed, same cases; seed and path replay exactly the
 * smallest case that was found.
 */
import fc from 'fast-check';
import type { Outcome, Property, RunOptions } from './property.ts';

/** What a predicate throws: the sentence says which clause broke, on which event. */
export class Violation extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'Violation';
  }
}

/** Throws a Violation unless `held`. The sentence is built only when needed. */
export function must(held: boolean, sentence: () => string): asserts held {
  if (!held) throw new Violation(sentence());
}

interface Statement<T> {
  readonly name: string;
  readonly sentence: string;
  readonly promise: string;
  /** A random case. */
  readonly cases: fc.Arbitrary<T>;
  /** A case for a person, when it fails. */
  readonly show?: (value: T) => string | Promise<string>;
  /** How many runs make up one asked-for run: below 1 for costly cases, above 1 for cheap ones. */
  readonly weight?: number;
  readonly holds: (value: T) => void | Promise<void>;
}

/** The property that `holds` for every case. */
export function property<T>(statement: Statement<T>): Property {
  const { name, sentence, promise, cases, holds, show = fc.stringify, weight = 1 } = statement;
  return {
    name,
    sentence,
    promise,
    async run({ runs, seed, path, quick }: RunOptions): Promise<Outcome> {
      const details = await fc.check(
        fc.asyncProperty(cases, async (value) => {
          await holds(value);
        }),
        {
          seed,
          numRuns: Math.max(1, Math.round(runs * weight)),
          endOnFailure: quick === true || path !== undefined,
          ...(path === undefined ? {} : { path }),
        },
      );
      if (!details.failed) return { ok: true, runs: details.numRuns, seed };
      return {
        ok: false,
        runs: details.numRuns,
        seed,
        counterexample: details.counterexample === null ? '' : await show(details.counterexample[0]),
        violation: sentenceOf(details.errorInstance),
        ...(details.counterexamplePath === null ? {} : { path: details.counterexamplePath }),
      };
    },
  };
}

/** A Violation speaks for itself; any other error is reported with where it came from. */
function sentenceOf(error: unknown): string {
  if (error instanceof Violation) return error.message;
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const frame = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
  return `threw ${error.name}: ${error.message} ${frame.trim()}`.trimEnd();
}
