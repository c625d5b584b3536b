/**
 * A nondeterministic automaton under construction. Patterns are laid into it as into a trie: two patterns that
 * begin with the same tokens share those nodes, which is what keeps the subset construction small when hundreds
 * of rules begin with `**` or with the same folder.
 *
 * A node may accept for a rank: the place of a rule in the order of strength, 0 the strongest. A word's rank is
 * the least one it reaches.
 */
import { type ByteSet, NOT_NUL, SINGLE, SLASH } from './byte-set.ts';
import type { Token } from './glob.ts';

export type NodeId = number;
export const NO_RANK = 0x7fffffff;
/** Bounds the memory of a compilation; far above what a policy file of 1 MiB needs without braces. */
const MAX_NODES = 2_000_000;

/** Thrown where a policy's patterns are too large together. */
export class TooLarge extends Error {}

export class Nfa {
  /** Letters in use, each once; an edge names its letter by index. */
  readonly sets: ByteSet[] = [];
  /** Per node: letter, target, letter, target, … */
  readonly edges: number[][] = [];
  /** Per node: targets reached without reading. */
  readonly empty: NodeId[][] = [];
  readonly rank: number[] = [];
  readonly start: NodeId;
  readonly #letters = new Map<string, number>();
  readonly #children = new Map<string, NodeId>();

  constructor() {
    this.start = this.node();
  }

  node(): NodeId {
    if (this.edges.length === MAX_NODES) throw new TooLarge();
    this.empty.push([]);
    this.rank.push(NO_RANK);
    return this.edges.push([]) - 1;
  }

  accept(node: NodeId, rank: number): void {
    this.rank[node] = Math.min(this.rank[node]!, rank);
  }

  edge(from: NodeId, set: ByteSet, to: NodeId): void {
    this.edges[from]!.push(this.#letter(set), to);
  }

  skip(from: NodeId, to: NodeId): void {
    if (from !== to && !this.empty[from]!.includes(to)) this.empty[from]!.push(to);
  }

  /** The node that reading `tokens` from `from` leads to, shared with earlier calls where tokens agree. */
  path(from: NodeId, tokens: Iterable<Token>): NodeId {
    let node = from;
    for (const token of tokens) node = this.#child(node, token);
    return node;
  }

  #child(from: NodeId, token: Token): NodeId {
    const key = token.kind === 'tree' ? `${from} /` : `${from} ${token.kind} ${this.#letter(token.set)}`;
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const to = this.node();
    this.#children.set(key, to);
    if (token.kind === 'one') this.edge(from, token.set, to);
    else if (token.kind === 'many') {
      this.skip(from, to);
      this.edge(to, token.set, to);
    } else {
      const inside = this.node();
      this.skip(from, to);
      this.edge(from, SINGLE[SLASH]!, inside);
      this.edge(inside, NOT_NUL, inside);
      this.skip(inside, to);
    }
    return to;
  }

  #letter(set: ByteSet): number {
    const known = this.#letters.get(set.key);
    if (known !== undefined) return known;
    this.#letters.set(set.key, this.sets.length);
    return this.sets.push(set) - 1;
  }
}
