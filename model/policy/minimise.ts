/**
 * The smallest automaton with the same ranks (partition refinement after Hopcroft), its states numbered in the order
 * of a breadth-first walk and its bytes in the coarsest classes: equal languages give equal results.
 */
import type { Dfa } from './determinise.ts';

export function minimise(dfa: Dfa): Dfa {
  return mergeClasses(quotient(dfa, refine(dfa)));
}

/**
 * The block of each state in the coarsest partition that ranks and transitions respect. A round looks only at
 * states with a successor that has changed its block, and of the pieces of a block the largest keeps the block's
 * number; so no state moves more than log(states) times, however long the words that tell states apart.
 */
function refine(dfa: Dfa): Int32Array {
  const partition = new Partition(dfa);
  const before = predecessors(dfa);
  const seen = new Int32Array(dfa.states).fill(-1);
  let doubtful: number[] = Array.from({ length: dfa.states }, (_, state) => state);
  for (let round = 0; doubtful.length > 0; round++) {
    const moved = partition.split(doubtful);
    doubtful = [];
    for (const state of moved)
      for (let i = before.first[state]!; i < before.first[state + 1]!; i++) {
        const from = before.states[i]!;
        if (seen[from] === round) continue;
        seen[from] = round;
        doubtful.push(from);
      }
  }
  return partition.block;
}

/** For each state, those that lead to it: states[first[s]] up to states[first[s + 1]]. */
function predecessors({ states, classes, next }: Dfa): { first: Int32Array; states: Int32Array } {
  const first = new Int32Array(states + 1);
  for (const to of next) first[to + 1]!++;
  for (let state = 0; state < states; state++) first[state + 1]! += first[state]!;
  const free = first.slice();
  const list = new Int32Array(next.length);
  for (let i = 0; i < next.length; i++) list[free[next[i]!]!++] = (i / classes) | 0;
  return { first, states: list };
}

/** States in blocks; each block is a stretch of `order`. Owner of all fields: one refinement. */
class Partition {
  readonly block: Int32Array;
  readonly #dfa: Dfa;
  readonly #order: Int32Array;
  readonly #place: Int32Array;
  readonly #first: number[] = [];
  readonly #size: number[] = [];

  /** One block per rank. */
  constructor(dfa: Dfa) {
    this.#dfa = dfa;
    this.block = new Int32Array(dfa.states);
    this.#order = new Int32Array(dfa.states);
    this.#place = new Int32Array(dfa.states);
    const byRank = new Map<number, number[]>();
    for (let state = 0; state < dfa.states; state++) listed(byRank, dfa.rank[state]!).push(state);
    let at = 0;
    for (const members of byRank.values()) {
      this.#write(at, members);
      this.#number(members, this.#add(at, members.length));
      at += members.length;
    }
  }

  /**
   * Splits each block by where its `doubtful` states lead. The states of a block that are not doubtful lead to the
   * same blocks as before, as one another, and not where any doubtful one leads. Returns the states that moved.
   */
  split(doubtful: readonly number[]): number[] {
    const byBlock = new Map<number, number[]>();
    for (const state of doubtful) listed(byBlock, this.block[state]!).push(state);
    const moves: { members: number[]; to: number }[] = [];
    for (const [block, states] of byBlock) {
      const groups = this.#alike(states).sort((a, b) => a.length - b.length);
      const rest = this.#size[block]! - states.length;
      const largest = groups.at(-1)!.length;
      if (rest === 0 && groups.length === 1) continue;
      const start = this.#first[block]!;
      this.#gather(block, states, groups.flat());
      if (rest < largest) {
        // The largest group lies last and keeps the number; what was not doubtful lies first.
        const kept = groups.pop()!;
        if (rest > 0)
          moves.push({ members: [...this.#order.subarray(start, start + rest)], to: this.#add(start, rest) });
        this.#first[block] = start + rest + states.length - kept.length;
        this.#size[block] = kept.length;
      } else this.#size[block] = rest;
      let at = start + rest;
      for (const members of groups) {
        moves.push({ members, to: this.#add(at, members.length) });
        at += members.length;
      }
    }
    // Numbers change only now: the whole round has compared against the same partition.
    for (const { members, to } of moves) this.#number(members, to);
    return moves.flatMap(({ members }) => members);
  }

  /** Groups states that lead to the same blocks. */
  #alike(states: readonly number[]): number[][] {
    const byHash = new Map<number, number[][]>();
    const all: number[][] = [];
    for (const state of states) {
      const groups = listed(byHash, this.#hash(state));
      const group = groups.find(([first]) => this.#same(first!, state));
      if (group !== undefined) group.push(state);
      else {
        const fresh = [state];
        groups.push(fresh);
        all.push(fresh);
      }
    }
    return all;
  }

  #hash(state: number): number {
    const { classes, next } = this.#dfa;
    let hash = 0;
    for (let c = 0, at = state * classes; c < classes; c++)
      hash = Math.imul(hash ^ this.block[next[at + c]!]!, 0x9e3779b1) ^ (hash >>> 15);
    return hash;
  }

  #same(a: number, b: number): boolean {
    const { classes, next } = this.#dfa;
    for (let c = 0, i = a * classes, j = b * classes; c < classes; c++)
      if (this.block[next[i + c]!] !== this.block[next[j + c]!]) return false;
    return true;
  }

  /** Moves `states` to the end of their block's stretch, in the order of `sorted`. */
  #gather(block: number, states: readonly number[], sorted: readonly number[]): void {
    let end = this.#first[block]! + this.#size[block]!;
    // From the back, so that a state that lies in the tail already is not moved twice.
    for (const state of [...states].sort((a, b) => this.#place[b]! - this.#place[a]!)) {
      const other = this.#order[--end]!;
      const place = this.#place[state]!;
      this.#order[place] = other;
      this.#place[other] = place;
    }
    this.#write(end, sorted);
  }

  #write(at: number, states: readonly number[]): void {
    for (const [i, state] of states.entries()) {
      this.#order[at + i] = state;
      this.#place[state] = at + i;
    }
  }

  #add(first: number, size: number): number {
    this.#first.push(first);
    return this.#size.push(size) - 1;
  }

  #number(states: readonly number[], block: number): void {
    for (const state of states) this.block[state] = block;
  }
}

function listed<K, V>(lists: Map<K, V[]>, key: K): V[] {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const fresh: V[] = [];
  lists.set(key, fresh);
  return fresh;
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
