/**
 * From clauses to minimal automata. One automaton where that stays small; otherwise the clauses are parted by
 * how they multiply (table.ts says why), and parted again where a part is still too large:
 *
 *   anchored   patterns that begin with a folder, addresses, rules without a pattern
 *   floating   patterns with `**` before their end
 *   argv       argument patterns
 *   subjects   rules limited to some executables
 *
 * A rule that alone has no small automaton, or a policy that needs more parts than allowed, is an error that
 * names a rule.
 */
import { type Budget, type Dfa, determinise } from './determinise.ts';
import type { Sequence } from './environment.ts';
import { freeze } from './frozen-nfa.ts';
import { automatonOf, type Clause } from './language.ts';
import { minimise } from './minimise.ts';
import { TooLarge } from './nfa.ts';
import { MAX_PARTS, MAX_STATES } from './table.ts';

/** What one automaton for everything may take before the clauses are parted. */
const TOGETHER: Budget = { nodes: 12_000, states: 8_000, work: 100_000 };
/** What a part may take. */
const APART: Budget = { nodes: 2_000_000, states: 120_000, work: 2_000_000 };

/** Index of the rule that makes the automaton explode. */
export class BlowUp extends Error {
  readonly rule: number;
  constructor(rule: number) {
    super('automaton too large');
    this.rule = rule;
  }
}

/** At least one automaton, at most MAX_PARTS. Throws BlowUp. */
export function automataOf(clauses: readonly Clause[]): Dfa[] {
  const together = build(clauses, TOGETHER);
  if (together !== null) return [together];
  const parts = kinds(clauses).flatMap((part) => apart(part));
  if (parts.length > MAX_PARTS) throw new BlowUp(lastCost(clauses));
  return parts;
}

function build(clauses: readonly Clause[], budget: Budget): Dfa | null {
  try {
    const nfa = automatonOf(clauses);
    if (nfa.edges.length > budget.nodes) return null;
    const dfa = determinise(freeze(nfa), budget);
    const least = dfa === null ? null : minimise(dfa);
    return least !== null && least.states <= MAX_STATES ? least : null;
  } catch (error) {
    if (error instanceof TooLarge) return null;
    throw error;
  }
}

/** Builds a part, halving it as often as it takes. */
function apart(clauses: readonly Clause[], depth = 0): Dfa[] {
  const dfa = build(clauses, APART);
  if (dfa !== null) return [dfa];
  const [first] = clauses;
  if (clauses.length === 1 || 2 << depth > MAX_PARTS) throw new BlowUp(culprit(clauses) ?? first!.rule);
  const half = clauses.length >> 1;
  return [...apart(clauses.slice(0, half), depth + 1), ...apart(clauses.slice(half), depth + 1)];
}

/** The rule without which the clauses before it would still fit: the last one added to those that fit. */
function culprit(clauses: readonly Clause[]): number | null {
  const alone = clauses.find((clause) => build([clause], APART) === null);
  if (alone !== undefined) return alone.rule;
  let fits = 1;
  let explodes = clauses.length;
  while (explodes - fits > 1) {
    const middle = (fits + explodes) >> 1;
    if (build(clauses.slice(0, middle), APART) === null) explodes = middle;
    else fits = middle;
  }
  return clauses[explodes - 1]?.rule ?? null;
}

/** Where everything fits in parts but in too many: the last rule of the largest kind. */
function lastCost(clauses: readonly Clause[]): number {
  const largest = kinds(clauses).sort((a, b) => b.length - a.length)[0]!;
  return largest.at(-1)!.rule;
}

/** The clauses by kind; a clause of paths may be parted between two kinds. Empty kinds are left out. */
function kinds(clauses: readonly Clause[]): Clause[][] {
  const all: Record<'anchored' | 'floating' | 'argv' | 'subjects', Clause[]> = {
    anchored: [],
    floating: [],
    argv: [],
    subjects: [],
  };
  for (const clause of clauses) {
    const { object } = clause;
    if (clause.subjects !== null) all.subjects.push(clause);
    else if (object.kind === 'argv') all.argv.push(clause);
    else if (object.kind !== 'paths') all.anchored.push(clause);
    else
      for (const kind of ['anchored', 'floating'] as const) {
        const sequences = object.sequences.filter((sequence) => floats(sequence) === (kind === 'floating'));
        if (sequences.length > 0) all[kind].push({ ...clause, object: { kind: 'paths', sequences } });
      }
  }
  return Object.values(all).filter((part) => part.length > 0);
}

/** Whether `**` stands anywhere but at the end. */
function floats(sequence: Sequence): boolean {
  return sequence
    .slice(0, -1)
    .some((token) => token.kind === 'tree' || (token.kind === 'many' && token.set.has[0x2f] === 1));
}
