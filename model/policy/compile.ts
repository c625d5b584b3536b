/**
 * A policy bound to an environment and compiled: its rules as one labelled table (table.ts), its constitution as
 * a second, and its trust and rate entries as a third and a fourth, all walked by the same code.
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { OPERATIONS } from '../operation.ts';
import { EFFECTS, type Effect } from '../verdict.ts';
import { automataOf, BlowUp } from './automata.ts';
import { encode, label } from './encode.ts';
import type { Environment } from './environment.ts';
import { PatternError, PolicyError } from './errors.ts';
import { clausesOf } from './language.ts';
import { effectiveRules } from './protect.ts';
import type { Policy, Position, Rule } from './source.ts';
import { DEFAULT_RULE } from './table.ts';
import { Walker } from './walk.ts';

/** What the trail, messages and reviewers need of a rule. */
export interface RuleInfo extends Position {
  readonly id: string;
  readonly effect: Effect;
  readonly reason: string;
}

/** A list of rules as one table. */
export interface RuleSet {
  /** Layout of table.ts; backed by an ArrayBuffer of exactly its size. */
  readonly table: Uint8Array;
  readonly walker: Walker;
  /** By the rule index in the table's labels. */
  readonly rules: readonly RuleInfo[];
}

export interface CompiledPolicy extends RuleSet {
  readonly policy: Policy;
  readonly environment: Environment;
  /** BLAKE3, 64 hex digits, over the source text and the environment. */
  readonly digest: string;
  /** Label deny where a constitutional rule speaks about the word. */
  readonly constitution: RuleSet;
  /** Labels name the entry of `policy.trust`, over `operation NUL subject NUL`. */
  readonly trust: Walker;
  /** Labels name the entry of `policy.rates`, over `operation NUL subject NUL`. */
  readonly rates: Walker;
}

/** Compiles. Throws PolicyError, naming the rule, where a pattern does not fit the environment or explodes. */
export function compile(policy: Policy, environment: Environment): CompiledPolicy {
  const unmatched = label(policy.default, DEFAULT_RULE);
  return {
    policy,
    environment,
    digest: policyDigest(policy.source, environment),
    ...compileRules(effectiveRules(policy, environment), unmatched, environment),
    constitution: compileRules(policy.constitution, NOTHING, environment),
    trust: compileRules(
      policy.trust.map(({ subjects }) => bySubject(OPERATIONS, subjects)),
      NOTHING,
      environment,
    ).walker,
    rates: compileRules(
      policy.rates.map(({ operations, subjects }) => bySubject(operations, subjects)),
      NOTHING,
      environment,
    ).walker,
  };
}

/** The label of a word that none of the listed rules speaks about, where that means no objection. */
const NOTHING = label('allow', DEFAULT_RULE);

/** The rule of an index from a label or a journal record; null for the default. */
export function ruleOf(compiled: RuleSet, index: number | null): RuleInfo | null {
  return index === null ? null : (compiled.rules[index] ?? null);
}

/** An entry of trust or rates in the form of a rule. */
function bySubject(operations: Rule['operations'], subjects: Rule['subjects']): Rule {
  const at = subjects?.[0]?.at ?? { file: '', line: 1, column: 1 };
  return {
    id: '',
    effect: 'allow',
    operations,
    paths: null,
    addresses: null,
    argv: null,
    subjects,
    reason: '',
    at,
  };
}

function compileRules(rules: readonly Rule[], unmatched: number, environment: Environment): RuleSet {
  const byStrength = rules
    .map((_, index) => index)
    .sort((a, b) => strength(rules[b]!) - strength(rules[a]!) || a - b);
  const rankOf = new Map(byStrength.map((index, rank) => [index, rank]));
  const clauses = rules.flatMap((rule, index) =>
    located(rule, () => clausesOf(rule, index, rankOf.get(index)!, environment)),
  );
  const labels = byStrength.map((index) => label(rules[index]!.effect, index));
  let table: Uint8Array;
  try {
    table = encode(automataOf(clauses), labels, unmatched, rules.length);
  } catch (error) {
    if (error instanceof BlowUp) throw tooLarge(rules[error.rule]!);
    throw error;
  }
  const infos = rules.map(({ id, effect, reason, at }) => ({ id, effect, reason, ...at }));
  return { table, walker: new Walker(table), rules: infos };
}

const strength = (rule: Rule) => EFFECTS.indexOf(rule.effect);

/** Gives a pattern's fault the place of its rule. */
function located<T>(rule: Rule, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PatternError)
      throw new PolicyError([{ ...rule.at, message: `rule ${rule.id}: ${error.message}`, hint: error.hint }]);
    throw error;
  }
}

function tooLarge(rule: Rule): PolicyError {
  return new PolicyError([
    {
      ...rule.at,
      message: `rule ${rule.id} makes the policy's automaton too large`,
      hint: 'use fewer ** and .* within one pattern, smaller repetition counts, or fewer subjects',
    },
  ]);
}

/** BLAKE3, 64 hex digits, over a policy's text and the environment that it is compiled in. */
export function policyDigest(source: string, environment: Environment): string {
  const { home, workspace, temporary, state, protect, aliases } = environment;
  const sorted = Object.entries(aliases).sort(([a], [b]) => (a < b ? -1 : 1));
  const canonical = JSON.stringify([source, home, workspace, temporary, state ?? null, protect, sorted]);
  return bytesToHex(blake3(utf8ToBytes(canonical)));
}
