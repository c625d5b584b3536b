/**
 * A property: a sentence about Portcullis that must always hold, and a way to search for a counterexample.
 * `name` is the sentence in kebab case, `promise` the promise of the design it belongs to (P1 … P9).
 */
export interface Property {
  readonly name: string;
  readonly sentence: string;
  readonly promise: string;
  run(options: RunOptions): Promise<Outcome>;
}

export interface RunOptions {
  /** How many random cases to try. */
  readonly runs: number;
  /** Same seed, same cases. */
  readonly seed: number;
  /** Where a failed search stopped: replays that one counterexample. */
  readonly path?: string;
  /** Stop at the first counterexample instead of searching for the smallest one. */
  readonly quick?: boolean;
}

export interface Outcome {
  readonly ok: boolean;
  /** Cases tried. */
  readonly runs: number;
  readonly seed: number;
  /** On failure: the smallest failing case found, for a person. */
  readonly counterexample?: string;
  /** On failure: what was violated, in one sentence. */
  readonly violation?: string;
  /** On failure: give it back as `path` (with the same seed) to replay exactly this case. */
  readonly path?: string;
}
