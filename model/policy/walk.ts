/**
 * Runs a policy's table over words: one table look-up per byte and automaton, no allocation, no backtracking,
 * the same answer as the native walker. A Walker holds no mutable state.
 *
 * Speed comes from two things only. The look-up of a byte's class does not depend on the state, so several are
 * done ahead of the chain of state look-ups; and where a policy is two automata, both chains run in one loop, so
 * that the processor overlaps them.
 */
import { decode, effectOf, type Part, ruleIndexOf } from './encode.ts';
import { DEFAULT_RULE } from './table.ts';

export class Walker {
  readonly #parts: readonly Part[];
  /** Per part and first byte: the label where that byte alone settles it, otherwise OPEN. */
  readonly #settled: readonly Float64Array[];

  /** Throws RangeError where the table is malformed. */
  constructor(table: Uint8Array) {
    this.#parts = decode(table);
    this.#settled = this.#parts.map(settledBy);
  }

  /** Number of states of all automata together. */
  get states(): number {
    return this.#parts.reduce((sum, part) => sum + part.labels.length, 0);
  }

  /** The label (table.ts) of a word. */
  walk(word: Uint8Array): number {
    const parts = this.#parts;
    if (parts.length === 1 || word.length === 0) return this.#one(parts, word);
    let strongest = NO_LABEL;
    let waiting: Part | null = null;
    for (let i = 0; i < parts.length; i++) {
      const settled = this.#settled[i]![word[0]!]!;
      if (settled !== OPEN) strongest = strongerLabel(strongest, settled);
      else if (waiting === null) waiting = parts[i]!;
      else {
        strongest = strongerLabel(strongest, runPair(waiting, parts[i]!, word));
        waiting = null;
      }
    }
    return waiting === null ? strongest : strongerLabel(strongest, run(waiting, word));
  }

  #one(parts: readonly Part[], word: Uint8Array): number {
    let strongest = run(parts[0]!, word);
    for (let i = 1; i < parts.length; i++) strongest = strongerLabel(strongest, run(parts[i]!, word));
    return strongest;
  }
}

/** Gives way to every label of a table. */
const NO_LABEL = (DEFAULT_RULE << 2) >>> 0;
const OPEN = -1;

function run({ classOf, classes, start, labels, next }: Part, word: Uint8Array): number {
  const length = word.length;
  let row = start;
  let i = 0;
  for (; i + 7 < length; i += 8) {
    const a = classOf[word[i]!]!;
    const b = classOf[word[i + 1]!]!;
    const c = classOf[word[i + 2]!]!;
    const d = classOf[word[i + 3]!]!;
    const e = classOf[word[i + 4]!]!;
    const f = classOf[word[i + 5]!]!;
    const g = classOf[word[i + 6]!]!;
    const h = classOf[word[i + 7]!]!;
    row = next[row + a]!;
    row = next[row + b]!;
    row = next[row + c]!;
    row = next[row + d]!;
    row = next[row + e]!;
    row = next[row + f]!;
    row = next[row + g]!;
    row = next[row + h]!;
  }
  for (; i < length; i++) row = next[row + classOf[word[i]!]!]!;
  return labels[(row / classes) | 0]!;
}

function runPair(p: Part, q: Part, word: Uint8Array): number {
  const { classOf: classOfP, next: nextP } = p;
  const { classOf: classOfQ, next: nextQ } = q;
  const length = word.length;
  let rowP = p.start;
  let rowQ = q.start;
  let i = 0;
  for (; i + 7 < length; i += 8) {
    const a = word[i]!;
    const b = word[i + 1]!;
    const c = word[i + 2]!;
    const d = word[i + 3]!;
    const e = word[i + 4]!;
    const f = word[i + 5]!;
    const g = word[i + 6]!;
    const h = word[i + 7]!;
    const aP = classOfP[a]!;
    const aQ = classOfQ[a]!;
    const bP = classOfP[b]!;
    const bQ = classOfQ[b]!;
    const cP = classOfP[c]!;
    const cQ = classOfQ[c]!;
    const dP = classOfP[d]!;
    const dQ = classOfQ[d]!;
    const eP = classOfP[e]!;
    const eQ = classOfQ[e]!;
    const fP = classOfP[f]!;
    const fQ = classOfQ[f]!;
    const gP = classOfP[g]!;
    const gQ = classOfQ[g]!;
    const hP = classOfP[h]!;
    const hQ = classOfQ[h]!;
    rowP = nextP[rowP + aP]!;
    rowQ = nextQ[rowQ + aQ]!;
    rowP = nextP[rowP + bP]!;
    rowQ = nextQ[rowQ + bQ]!;
    rowP = nextP[rowP + cP]!;
    rowQ = nextQ[rowQ + cQ]!;
    rowP = nextP[rowP + dP]!;
    rowQ = nextQ[rowQ + dQ]!;
    rowP = nextP[rowP + eP]!;
    rowQ = nextQ[rowQ + eQ]!;
    rowP = nextP[rowP + fP]!;
    rowQ = nextQ[rowQ + fQ]!;
    rowP = nextP[rowP + gP]!;
    rowQ = nextQ[rowQ + gQ]!;
    rowP = nextP[rowP + hP]!;
    rowQ = nextQ[rowQ + hQ]!;
  }
  for (; i < length; i++) {
    const byte = word[i]!;
    rowP = nextP[rowP + classOfP[byte]!]!;
    rowQ = nextQ[rowQ + classOfQ[byte]!]!;
  }
  return strongerLabel(p.labels[(rowP / p.classes) | 0]!, q.labels[(rowQ / q.classes) | 0]!);
}

/** For each first byte: the label, where the state it leads to is never left again. */
function settledBy({ classOf, classes, start, labels, next }: Part): Float64Array {
  return Float64Array.from(classOf, (c) => {
    const row = next[start + c]!;
    for (let i = 0; i < classes; i++) if (next[row + i] !== row) return OPEN;
    return labels[row / classes]!;
  });
}

/** Which of two labels holds: any rule before none, deny before review before allow, then file order. */
export function strongerLabel(a: number, b: number): number {
  if (ruleIndexOf(a) === DEFAULT_RULE) return b;
  if (ruleIndexOf(b) === DEFAULT_RULE) return a;
  if (effectOf(a) !== effectOf(b)) return (a & 3) > (b & 3) ? a : b;
  return ruleIndexOf(a) <= ruleIndexOf(b) ? a : b;
}
