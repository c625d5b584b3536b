/**
 * Runs a policy's table over words: one table look-up per byte and automaton, no allocation, no backtracking,
 * the same answer as the native walker. A Walker holds no mutable state.
 */
import { decode, effectOf, type Part, ruleIndexOf } from './encode.ts';
import { DEFAULT_RULE } from './table.ts';

export class Walker {
  readonly #parts: readonly Part[];

  /** Throws RangeError where the table is malformed. */
  constructor(table: Uint8Array) {
    this.#parts = decode(table);
  }

  /** Number of states of all automata together. */
  get states(): number {
    return this.#parts.reduce((sum, part) => sum + part.labels.length, 0);
  }

  /** The label (table.ts) of a word. */
  walk(word: Uint8Array): number {
    const parts = this.#parts;
    let strongest = run(parts[0]!, word);
    for (let i = 1; i < parts.length; i++) strongest = strongerLabel(strongest, run(parts[i]!, word));
    return strongest;
  }
}

function run({ classOf, classes, start, labels, next }: Part, word: Uint8Array): number {
  let row = start;
  for (let i = 0; i < word.length; i++) row = next[row + classOf[word[i]!]!]!;
  return labels[row / classes]!;
}

/** Which of two labels holds: any rule before none, deny before review before allow, then file order. */
export function strongerLabel(a: number, b: number): number {
  if (ruleIndexOf(a) === DEFAULT_RULE) return b;
  if (ruleIndexOf(b) === DEFAULT_RULE) return a;
  if (effectOf(a) !== effectOf(b)) return (a & 3) > (b & 3) ? a : b;
  return ruleIndexOf(a) <= ruleIndexOf(b) ? a : b;
}
