/**
 * The language of a rule: the words (model/word.ts) that it speaks about.
 *
 *   operation NUL subject NUL object
 *
 *   operation  one of the rule's
 *   subject    any executable, or one that a glob of `subjects` matches
 *   object     paths      the path; on exec the program's path, whatever its arguments
 *              argv       on exec: a path (any, or one of `paths`), then arguments whose line matches
 *              addresses  the address, whatever the host name
 *              none       anything
 *
 * Rules are laid into one automaton so that operations and subjects with the same rules share what follows.
 */
import { toBytes } from '../bytes.ts';
import type { Operation } from '../operation.ts';
import { OPERATIONS } from '../operation.ts';
import { expandAddress } from './address.ts';
import { type ArgvAutomaton, compileArgv } from './argv.ts';
import { ANY_BYTE, NOT_NUL, NUL, SINGLE } from './byte-set.ts';
import { type Environment, expandGlob, type Sequence } from './environment.ts';
import { literal, type Token } from './glob.ts';
import { Nfa, type NodeId } from './nfa.ts';
import type { Rule } from './source.ts';

/** A rule, or some of its patterns, with its patterns spelt out under an environment. */
export interface Clause {
  /** Index of the rule. */
  readonly rule: number;
  /** Place in the order of strength, 0 the strongest. */
  readonly rank: number;
  readonly operations: readonly Operation[];
  readonly subjects: readonly Sequence[] | null;
  readonly object: ObjectLanguage;
}

export type ObjectLanguage =
  | { readonly kind: 'anything' }
  | { readonly kind: 'paths'; readonly sequences: readonly Sequence[] }
  | { readonly kind: 'addresses'; readonly sequences: readonly Sequence[]; readonly open: boolean }
  | { readonly kind: 'argv'; readonly programs: readonly Sequence[]; readonly argv: ArgvAutomaton };

const ANY: Token = { kind: 'many', set: NOT_NUL };

/** The clauses of a rule. A trailing clause of addresses is split by whether a host name may follow. */
export function clausesOf(rule: Rule, index: number, rank: number, environment: Environment): Clause[] {
  const widens = rule.effect === 'allow';
  const globs = (patterns: Rule['paths']) =>
    patterns?.flatMap((pattern) => expandGlob(pattern.text, environment, widens)) ?? null;
  const head = { rule: index, rank, operations: rule.operations, subjects: globs(rule.subjects) };
  const paths = globs(rule.paths);
  if (rule.argv !== null) {
    const argv = compileArgv(rule.argv.text);
    return [{ ...head, object: { kind: 'argv', programs: paths ?? [[ANY]], argv } }];
  }
  if (paths !== null) return [{ ...head, object: { kind: 'paths', sequences: paths } }];
  if (rule.addresses === null) return [{ ...head, object: { kind: 'anything' } }];
  const expanded = rule.addresses.map((pattern) => expandAddress(pattern.text, environment, widens));
  return [true, false].flatMap((open) => {
    const sequences = expanded
      .filter((address) => address.open === open)
      .flatMap((address) => address.sequences);
    return sequences.length === 0
      ? []
      : [{ ...head, object: { kind: 'addresses' as const, sequences, open } }];
  });
}

/** One automaton that accepts each word for the ranks of the clauses that speak about it. */
export function automatonOf(clauses: readonly Clause[]): Nfa {
  const layer = new Layer(clauses);
  for (const operation of OPERATIONS) layer.operation(operation);
  return layer.nfa;
}

/** Lays clauses into an automaton. Owner of its maps: this one construction. */
class Layer {
  readonly nfa = new Nfa();
  readonly #clauses: ReadonlyMap<Clause, number>;
  readonly #subjects = new Map<string, NodeId>();
  readonly #objects = new Map<string, NodeId>();
  readonly #anything = new Map<number, NodeId>();
  /** Equal lists of subject globs, each known by the first list met. */
  readonly #groups = new Map<string, number>();

  constructor(clauses: readonly Clause[]) {
    this.#clauses = new Map(clauses.map((clause, index) => [clause, index]));
  }

  operation(operation: Operation): void {
    const groups = new Map<number, Clause[]>();
    for (const clause of this.#clauses.keys()) {
      if (!clause.operations.includes(operation)) continue;
      const group = this.#group(clause);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group)!.push(clause);
    }
    if (groups.size === 0) return;
    const after = this.nfa.path(this.nfa.start, literal(toBytes(operation)));
    this.nfa.edge(after, SINGLE[NUL]!, this.#subjectPart(groups, operation === 'exec'));
  }

  #group({ subjects }: Clause): number {
    if (subjects === null) return -1;
    const key = subjects.map(spell).join(' | ');
    if (!this.#groups.has(key)) this.#groups.set(key, this.#groups.size);
    return this.#groups.get(key)!;
  }

  #subjectPart(groups: ReadonlyMap<number, readonly Clause[]>, program: boolean): NodeId {
    const objects = [...groups].map(([group, clauses]) => ({
      group,
      clauses,
      to: this.#objectPart(clauses, program),
    }));
    const key = objects.map(({ group, to }) => `${group}:${to}`).join(' ');
    const known = this.#subjects.get(key);
    if (known !== undefined) return known;
    const start = this.nfa.node();
    this.#subjects.set(key, start);
    for (const { clauses, to } of objects)
      for (const sequence of clauses[0]!.subjects ?? [[ANY]])
        this.nfa.edge(this.nfa.path(start, sequence), SINGLE[NUL]!, to);
    return start;
  }

  #objectPart(clauses: readonly Clause[], program: boolean): NodeId {
    const key = `${program} ${clauses.map((clause) => this.#clauses.get(clause)).join(' ')}`;
    const known = this.#objects.get(key);
    if (known !== undefined) return known;
    const start = this.nfa.node();
    this.#objects.set(key, start);
    for (const clause of clauses) this.#object(start, clause, program);
    return start;
  }

  #object(start: NodeId, { object, rank }: Clause, program: boolean): void {
    const { nfa } = this;
    switch (object.kind) {
      case 'anything':
        nfa.skip(start, this.#any(rank));
        return;
      case 'paths':
        for (const sequence of object.sequences) {
          const end = nfa.path(start, sequence);
          nfa.accept(end, rank);
          if (program) nfa.edge(end, SINGLE[NUL]!, this.#any(rank));
        }
        return;
      case 'addresses':
        for (const sequence of object.sequences) {
          const end = nfa.path(start, sequence);
          if (object.open) nfa.skip(end, this.#any(rank));
          else nfa.accept(end, rank);
        }
        return;
      case 'argv': {
        const line = this.#line(object.argv, rank);
        for (const sequence of object.programs) {
          const end = nfa.path(start, sequence);
          if (object.argv.accepts.has(0)) nfa.accept(end, rank);
          nfa.edge(end, SINGLE[NUL]!, line);
        }
      }
    }
  }

  /** A node from which every word is accepted for `rank`. */
  #any(rank: number): NodeId {
    const known = this.#anything.get(rank);
    if (known !== undefined) return known;
    const node = this.nfa.node();
    this.#anything.set(rank, node);
    this.nfa.accept(node, rank);
    this.nfa.edge(node, ANY_BYTE, node);
    return node;
  }

  #line(argv: ArgvAutomaton, rank: number): NodeId {
    const nodes = argv.edges.map(() => this.nfa.node());
    for (const [i, row] of argv.edges.entries())
      for (const { set, to } of row) this.nfa.edge(nodes[i]!, set, nodes[to]!);
    for (const i of argv.accepts) this.nfa.accept(nodes[i]!, rank);
    return nodes[0]!;
  }
}

/** Equal sequences are spelt equally. */
function spell(sequence: Sequence): string {
  return sequence
    .map((token) =>
      token.kind === 'tree' ? 'tree' : `${token.kind}${token.set.key.length} ${token.set.key}`,
    )
    .join(',');
}
