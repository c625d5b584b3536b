/**
 * An Nfa made ready for the subset construction: bytes grouped into classes that no letter tells apart, empty
 * transitions folded in, dead ends cut off, equal nodes joined, and for each node what is known of its language:
 *
 *   best     least rank that any word read from here can reach
 *   all      least rank r such that every word read from here reaches r or less
 *   noNul    the same for every word without NUL
 *   nulFree  no word with NUL is accepted from here
 *
 * A node whose best is not below what another node of the same subset grants to every word adds nothing to it;
 * dropping such nodes is exact, and it is what keeps subsets small once a strong rule has matched.
 */
import { type ByteSet, NUL } from './byte-set.ts';
import { type Nfa, NO_RANK, type NodeId } from './nfa.ts';

/** A letter as classes. Where most classes belong to it, `listed` names those that do not. */
export interface Letter {
  readonly has: Uint8Array;
  readonly wide: boolean;
  readonly listed: readonly number[];
}

export interface FrozenNfa {
  readonly classOf: Uint8Array;
  readonly classes: number;
  readonly letters: readonly Letter[];
  readonly start: NodeId;
  /** Per node: letter, target, letter, target, … */
  readonly edges: readonly (readonly number[])[];
  readonly rank: Int32Array;
  readonly best: Int32Array;
  readonly all: Int32Array;
  readonly noNul: Int32Array;
  readonly nulFree: Uint8Array;
}

export function freeze(nfa: Nfa): FrozenNfa {
  const { classOf, classes } = byteClasses(nfa.sets);
  const letters = nfa.sets.map((set) => letter(set, classOf, classes));
  const rank = Int32Array.from(nfa.rank);
  const folded = nfa.edges.map((_, node) => foldEmpty(nfa, node, rank));
  const reverse = reversed(folded);
  const best = leastReachable(reverse, rank);
  const edges = shareEqual(
    folded.map((row) => live(row, best)),
    rank,
    nfa.start,
  );
  const nulFree = withoutNul(edges, reverse, letters, classOf[NUL]!);
  const all = granted(edges, letters, rank, range(classes));
  const noNul = granted(
    edges,
    letters,
    rank,
    range(classes).filter((c) => c !== classOf[NUL]),
  );
  return { classOf, classes, letters, start: nfa.start, edges, rank, best, all, noNul, nulFree };
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The coarsest grouping of bytes such that each set is a union of groups; NUL is always alone. */
function byteClasses(sets: readonly ByteSet[]): { classOf: Uint8Array; classes: number } {
  const group = new Uint16Array(256);
  let classes = 1;
  const split = (has: (byte: number) => boolean) => {
    const renamed = new Map<number, number>();
    const seen = new Set<number>();
    for (let byte = 0; byte < 256; byte++) if (!has(byte)) seen.add(group[byte]!);
    for (let byte = 0; byte < 256; byte++) {
      const old = group[byte]!;
      if (!has(byte) || !seen.has(old)) continue;
      if (!renamed.has(old)) renamed.set(old, classes++);
      group[byte] = renamed.get(old)!;
    }
  };
  split((byte) => byte === NUL);
  for (const set of sets) split((byte) => set.has[byte] === 1);
  return { classOf: Uint8Array.from(group), classes };
}

function letter(set: ByteSet, classOf: Uint8Array, classes: number): Letter {
  const has = new Uint8Array(classes);
  for (let byte = 0; byte < 256; byte++) if (set.has[byte]) has[classOf[byte]!] = 1;
  const members = range(classes).filter((c) => has[c] === 1);
  const wide = members.length > classes / 2;
  return { has, wide, listed: wide ? range(classes).filter((c) => has[c] === 0) : members };
}

/** The edges of everything that `node` reaches without reading; its rank becomes the least among them. */
function foldEmpty(nfa: Nfa, node: NodeId, rank: Int32Array): number[] {
  if (nfa.empty[node]!.length === 0) return nfa.edges[node]!;
  const closure = new Set([node]);
  for (const at of closure) for (const next of nfa.empty[at]!) closure.add(next);
  const row: number[] = [];
  for (const at of closure) {
    for (const value of nfa.edges[at]!) row.push(value);
    rank[node] = Math.min(rank[node]!, nfa.rank[at]!);
  }
  return row;
}

function reversed(edges: readonly (readonly number[])[]): NodeId[][] {
  const reverse: NodeId[][] = edges.map(() => []);
  for (const [from, row] of edges.entries())
    for (let i = 1; i < row.length; i += 2) reverse[row[i]!]!.push(from);
  return reverse;
}

/** Everything from which a node of `seeds` can be reached, seeds included, is visited once. */
function backward(
  reverse: readonly NodeId[][],
  seeds: Iterable<NodeId>,
  visit: (node: NodeId) => boolean,
): void {
  const queue = [...seeds].filter(visit);
  for (let node = queue.pop(); node !== undefined; node = queue.pop())
    for (const from of reverse[node]!) if (visit(from)) queue.push(from);
}

function leastReachable(reverse: readonly NodeId[][], rank: Int32Array): Int32Array {
  const best = new Int32Array(rank.length).fill(NO_RANK);
  const accepting = range(rank.length).filter((node) => rank[node] !== NO_RANK);
  accepting.sort((a, b) => rank[a]! - rank[b]!);
  for (const node of accepting)
    backward(reverse, [node], (at) => {
      if (best[at]! <= rank[node]!) return false;
      best[at] = rank[node]!;
      return true;
    });
  return best;
}

/** A row without the edges from which nothing is ever accepted, and without repetitions. */
function live(row: readonly number[], best: Int32Array): number[] {
  const out: number[] = [];
  const seen = new Set<number>();
  for (let i = 0; i < row.length; i += 2) {
    const key = row[i]! * best.length + row[i + 1]!;
    if (best[row[i + 1]!] === NO_RANK || seen.has(key)) continue;
    seen.add(key);
    out.push(row[i]!, row[i + 1]!);
  }
  return out;
}

/**
 * Leads edges to one of several nodes that are written alike: the same rank and the same edges to the same nodes,
 * or to themselves. Patterns end in few ways, so this keeps what comes after them from being told apart for
 * nothing. Nodes on longer cycles (argument patterns) are left alone.
 */
function shareEqual(edges: readonly (readonly number[])[], rank: Int32Array, start: NodeId): number[][] {
  const shared = new Int32Array(edges.length).fill(-1);
  const known = new Map<string, NodeId>();
  const out: number[][] = edges.map(() => []);
  for (const node of childrenFirst(edges, start)) {
    const row = edges[node]!.map((value, i) => (i % 2 === 0 || value === node ? value : shared[value]!));
    if (row.includes(-1)) {
      shared[node] = node;
      out[node] = [...edges[node]!];
      continue;
    }
    const pairs: string[] = [];
    for (let i = 0; i < row.length; i += 2)
      pairs.push(`${row[i]}:${row[i + 1] === node ? 'self' : row[i + 1]}`);
    const key = `${rank[node]} ${[...new Set(pairs)].sort().join(' ')}`;
    if (!known.has(key)) known.set(key, node);
    shared[node] = known.get(key)!;
    out[node] = row;
  }
  // Rows of nodes on cycles may still name a node that another stands for.
  return out.map((row) =>
    row.map((value, i) => (i % 2 === 0 || shared[value] === -1 ? value : shared[value]!)),
  );
}

/** Every node that can be reached, each after all that it leads to, cycles aside. */
function childrenFirst(edges: readonly (readonly number[])[], start: NodeId): NodeId[] {
  const order: NodeId[] = [];
  const seen = new Uint8Array(edges.length);
  const stack: { node: NodeId; at: number }[] = [{ node: start, at: 1 }];
  seen[start] = 1;
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = edges[top.node]![top.at];
    top.at += 2;
    if (to === undefined) order.push(stack.pop()!.node);
    else if (seen[to] === 0) {
      seen[to] = 1;
      stack.push({ node: to, at: 1 });
    }
  }
  return order;
}

function withoutNul(
  edges: readonly (readonly number[])[],
  reverse: readonly NodeId[][],
  letters: readonly Letter[],
  nul: number,
): Uint8Array {
  const nulFree = new Uint8Array(edges.length).fill(1);
  const takes = (row: readonly number[]) =>
    row.some((value, i) => i % 2 === 0 && letters[value]!.has[nul] === 1);
  const seeds = range(edges.length).filter((node) => takes(edges[node]!));
  backward(reverse, seeds, (node) => {
    if (nulFree[node] === 0) return false;
    nulFree[node] = 0;
    return true;
  });
  return nulFree;
}

/**
 * The least rank granted to every word over `classes`: the greatest fixed point of
 * granted(n) = max(rank(n), max over classes c of min over c-successors s of granted(s)).
 */
function granted(
  edges: readonly (readonly number[])[],
  letters: readonly Letter[],
  rank: Int32Array,
  classes: readonly number[],
): Int32Array {
  const value = Int32Array.from(rank);
  const open = range(rank.length).filter((node) => rank[node] !== NO_RANK);
  const least = new Int32Array(256);
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of open) {
      if (value[node] === NO_RANK) continue;
      const row = edges[node]!;
      for (const c of classes) least[c] = NO_RANK;
      for (let i = 0; i < row.length; i += 2) {
        const to = value[row[i + 1]!]!;
        const { has } = letters[row[i]!]!;
        if (to !== NO_RANK) for (const c of classes) if (has[c] && to < least[c]!) least[c] = to;
      }
      let worst = value[node]!;
      for (const c of classes) worst = Math.max(worst, least[c]!);
      if (worst !== value[node]) {
        value[node] = worst;
        changed = true;
      }
    }
  }
  return value;
}
