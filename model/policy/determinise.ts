/**
 * The subset construction with ranks: from a nondeterministic automaton to a deterministic one in which each
 * state carries the least rank that the word read so far reaches (NO_RANK: no rule speaks about it).
 *
 * Work is bounded by counting, not by a clock, so that the same policy compiles, or fails to, everywhere.
 */
import type { FrozenNfa, Letter } from './frozen-nfa.ts';
import { NO_RANK, type NodeId } from './nfa.ts';

/** State 0 is the start. Total: every state has a full row. */
export interface Dfa {
  readonly classOf: Uint8Array;
  readonly classes: number;
  readonly states: number;
  /** Least rank reached in the state. */
  readonly rank: Int32Array;
  /** next[state * classes + class] */
  readonly next: Int32Array;
}

export interface Budget {
  /** Nodes of the nondeterministic automaton. */
  readonly nodes: number;
  /** States before minimisation. */
  readonly states: number;
  /** Nodes of all subsets together. */
  readonly work: number;
}

/** The automaton, or null where it would exceed the budget. */
export function determinise(nfa: FrozenNfa, budget: Budget): Dfa | null {
  const subsets = new Subsets(nfa);
  subsets.add([nfa.start]);
  const { classes } = nfa;
  const rows: Int32Array[] = [];
  for (let state = 0; state < subsets.list.length; state++) {
    if (subsets.list.length > budget.states || subsets.work > budget.work) return null;
    rows.push(successors(nfa, subsets, subsets.list[state]!));
  }
  const next = new Int32Array(rows.length * classes);
  for (const [state, row] of rows.entries()) next.set(row, state * classes);
  const rank = Int32Array.from(subsets.list, (nodes) =>
    nodes.reduce((least, n) => Math.min(least, nfa.rank[n]!), NO_RANK),
  );
  return { classOf: nfa.classOf, classes, states: rows.length, rank, next };
}

/**
 * The successor of a subset for each class. Most classes are told apart by no edge that leaves the subset: they
 * share one successor, and only the classes that some letter lists are looked at one by one.
 */
function successors(nfa: FrozenNfa, subsets: Subsets, nodes: readonly NodeId[]): Int32Array {
  const { letters, edges, classes } = nfa;
  const common: NodeId[] = [];
  const special: (NodeId[] | undefined)[] = new Array(classes);
  const used: number[] = [];
  const each = (visit: (letter: Letter, to: NodeId) => void) => {
    for (const node of nodes) {
      const row = edges[node]!;
      for (let i = 0; i < row.length; i += 2) visit(letters[row[i]!]!, row[i + 1]!);
    }
  };
  each(({ listed }) => {
    for (const c of listed)
      if (special[c] === undefined) {
        special[c] = [];
        used.push(c);
      }
  });
  each(({ wide, listed, has }, to) => {
    if (!wide) {
      for (const c of listed) special[c]!.push(to);
      return;
    }
    common.push(to);
    for (const c of used) if (has[c]) special[c]!.push(to);
  });
  const row = new Int32Array(classes);
  if (used.length < classes) row.fill(subsets.add(common));
  for (const c of used) row[c] = subsets.add(special[c]!);
  return row;
}

/** The subsets met so far, numbered in order, found again by hash. Owner of its fields: one construction. */
class Subsets {
  readonly list: (readonly NodeId[])[] = [];
  work = 0;
  readonly #nfa: FrozenNfa;
  readonly #marked: Int32Array;
  #mark = 0;
  /** Open addressing over a power of two; holds subset numbers, -1 where free; never more than half full. */
  #slots = new Int32Array(1 << 12).fill(-1);

  constructor(nfa: FrozenNfa) {
    this.#nfa = nfa;
    this.#marked = new Int32Array(nfa.edges.length);
  }

  /** The number of the subset that `nodes` amounts to. */
  add(nodes: readonly NodeId[]): number {
    const kept = this.#reduce(nodes);
    const slot = this.#find(kept);
    if (this.#slots[slot]! >= 0) return this.#slots[slot]!;
    this.#slots[slot] = this.list.push(kept) - 1;
    this.work += kept.length;
    if (this.list.length * 2 > this.#slots.length) this.#grow();
    return this.list.length - 1;
  }

  /** The slot that holds `nodes`, or the free one where it belongs. */
  #find(nodes: readonly NodeId[]): number {
    const mask = this.#slots.length - 1;
    let hash = nodes.length;
    for (const node of nodes) hash = Math.imul(hash ^ node, 0x9e3779b1) ^ (hash >>> 15);
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]!;
      if (number < 0 || equal(this.list[number]!, nodes)) return slot;
    }
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (const [number, nodes] of this.list.entries()) this.#slots[this.#find(nodes)] = number;
  }

  /** Sorted, without repetitions, and without nodes that add nothing beside a stronger one. */
  #reduce(nodes: readonly NodeId[]): NodeId[] {
    const { all, noNul, best, nulFree } = this.#nfa;
    const mark = ++this.#mark;
    let strongest = -1;
    let strongestNoNul = -1;
    const kept: NodeId[] = [];
    for (const node of nodes) {
      if (this.#marked[node] === mark) continue;
      this.#marked[node] = mark;
      kept.push(node);
      if (stronger(all, node, strongest)) strongest = node;
      if (stronger(noNul, node, strongestNoNul)) strongestNoNul = node;
    }
    if (strongestNoNul >= 0) {
      const bound = strongest < 0 ? NO_RANK : all[strongest]!;
      const boundNoNul = noNul[strongestNoNul]!;
      const adds = (node: NodeId) =>
        node === strongest ||
        (best[node]! < bound && (node === strongestNoNul || nulFree[node] === 0 || best[node]! < boundNoNul));
      let count = 0;
      for (const node of kept) if (adds(node)) kept[count++] = node;
      kept.length = count;
    }
    return kept.length < 2 ? kept : kept.sort((a, b) => a - b);
  }
}

/** Whether `node` grants a lesser rank to every word than `other` does; the lower number where they are equal. */
function stronger(granted: Int32Array, node: NodeId, other: NodeId): boolean {
  if (granted[node] === NO_RANK) return false;
  if (other < 0) return true;
  return granted[node]! < granted[other]! || (granted[node] === granted[other] && node < other);
}

function equal(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
