/**
 * The smallest automaton with the same ranks (Moore's partition refinement), its states numbered in the order
 * of a breadth-first walk and its bytes in the coarsest classes: equal languages give equal results.
 */
import type { Dfa } from './determinise.ts';

export function minimise(dfa: Dfa): Dfa {
  return mergeClasses(quotient(dfa, refine(dfa)));
}

/** The block of each state in the coarsest partition that ranks and transitions respect. */
function refine({ states, classes, rank, next }: Dfa): Int32Array {
  let block = new Int32Array(states);
  let blocks = relabel(
    block,
    (state, first) => rank[state] === rank[first],
    (state) => rank[state]!,
  );
  for (;;) {
    const old = block;
    const same = (a: number, b: number) => {
      if (old[a] !== old[b]) return false;
      for (let c = 0, i = a * classes, j = b * classes; c < classes; c++)
        if (old[next[i + c]!] !== old[next[j + c]!]) return false;
      return true;
    };
    const hash = (state: number) => {
      let h = old[state]!;
      for (let c = 0, i = state * classes; c < classes; c++) h = (Math.imul(h, 31) + old[next[i + c]!]!) | 0;
      return h;
    };
    block = new Int32Array(states);
    const count = relabel(block, same, hash);
    if (count === blocks) return block;
    blocks = count;
  }
}

/** Numbers the classes of an equivalence into `block`; returns how many there are. */
function relabel(
  block: Int32Array,
  same: (state: number, first: number) => boolean,
  hash: (state: number) => number,
): number {
  const size = 1 << Math.ceil(Math.log2(block.length * 2 + 2));
  const slots = new Int32Array(size).fill(-1);
  const firsts: number[] = [];
  for (let state = 0; state < block.length; state++) {
    let slot = (Math.imul(hash(state), 0x9e3779b1) >>> 0) & (size - 1);
    while (slots[slot]! >= 0 && !same(state, firsts[slots[slot]!]!)) slot = (slot + 1) & (size - 1);
    if (slots[slot]! < 0) slots[slot] = firsts.push(state) - 1;
    block[state] = slots[slot]!;
  }
  return firsts.length;
}

/** One state per block, in breadth-first order from the start. */
function quotient({ classOf, classes, rank, next }: Dfa, block: Int32Array): Dfa {
  const number = new Int32Array(rank.length).fill(-1);
  const order = [0];
  number[block[0]!] = 0;
  const rows = new Int32Array(next.length);
  let filled = 0;
  for (let i = 0; i < order.length; i++)
    for (let c = 0, at = order[i]! * classes; c < classes; c++) {
      const to = next[at + c]!;
      if (number[block[to]!]! < 0) number[block[to]!] = order.push(to) - 1;
      rows[filled++] = number[block[to]!]!;
    }
  const ranks = Int32Array.from(order, (state) => rank[state]!);
  return { classOf, classes, states: order.length, rank: ranks, next: rows.slice(0, filled) };
}

/** Joins classes that every state treats alike. */
function mergeClasses({ classOf, classes, states, rank, next }: Dfa): Dfa {
  const same = (a: number, b: number) => {
    for (let i = 0; i < next.length; i += classes) if (next[i + a] !== next[i + b]) return false;
    return true;
  };
  const hash = (c: number) => {
    let h = 0;
    for (let i = c; i < next.length; i += classes) h = (Math.imul(h, 31) + next[i]!) | 0;
    return h;
  };
  const merged = new Int32Array(classes);
  const count = relabel(merged, same, hash);
  const kept = Array.from({ length: count }, (_, column) => merged.indexOf(column));
  const compact = new Int32Array(states * kept.length);
  for (let state = 0; state < states; state++)
    for (const [i, c] of kept.entries()) compact[state * kept.length + i] = next[state * classes + c]!;
  return { classOf: classOf.map((c) => merged[c]!), classes: kept.length, states, rank, next: compact };
}
