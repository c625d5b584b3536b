/**
 * A policy as its file states it: checked and positioned, but not yet bound to an environment. What the parts
 * mean is said where they are given meaning: patterns in glob.ts, address.ts and argv.ts, rules in language.ts,
 * trust and rates in tiers.ts.
 */
import type { Text } from '../bytes.ts';
import type { Operation } from '../operation.ts';
import type { Effect } from '../verdict.ts';

/** A place in a file; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A pattern's text, unexpanded, and where it stands. */
export interface Pattern {
  readonly text: Text;
  readonly at: Position;
}

/** At most one kind of object pattern stands in a rule, except that `argv` may stand beside `paths`. */
export interface Rule {
  readonly id: string;
  readonly effect: Effect;
  /** Never empty. Where the file names none: every operation that the rule's patterns can speak about. */
  readonly operations: readonly Operation[];
  readonly paths: readonly Pattern[] | null;
  readonly addresses: readonly Pattern[] | null;
  readonly argv: Pattern | null;
  /** Globs of the calling executable; null: any. */
  readonly subjects: readonly Pattern[] | null;
  /** One sentence for a person; empty where the file gives none. */
  readonly reason: string;
  readonly at: Position;
}

export const TIERS = ['untrusted', 'standard', 'trusted'] as const;
export type Tier = (typeof TIERS)[number];

/** First match wins. */
export interface TrustEntry {
  readonly subjects: readonly Pattern[];
  readonly tier: Tier;
}

/** A token bucket for each subject and operation that the entry covers; first match wins. */
export interface RateEntry {
  readonly operations: readonly Operation[];
  readonly subjects: readonly Pattern[] | null;
  /** Tokens the bucket holds. */
  readonly burst: number;
  /** Tokens per second that flow in. */
  readonly per_second: number;
}

export interface Policy {
  readonly version: 1;
  readonly description: string;
  readonly default: 'review' | 'deny';
  readonly record: 'changes' | 'all';
  readonly durability: 'batched' | 'strict';
  readonly rules: readonly Rule[];
  /** Rules that a reviewer's allow may not break; their effect is deny. */
  readonly constitution: readonly Rule[];
  readonly trust: readonly TrustEntry[];
  readonly rates: readonly RateEntry[];
  /** Name of the file, for messages. */
  readonly file: string;
  /** The file's text, from which all of the above follows. */
  readonly source: string;
}

/** Limits on a policy file. */
export const LIMITS = {
  fileBytes: 1 << 20,
  rules: 2_000,
  patternsPerRule: 1_000,
  patternBytes: 4_096,
  entries: 1_000,
  textLength: 4_096,
  /** Levels of maps and lists. */
  depth: 64,
} as const;
