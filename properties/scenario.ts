/**
 * A scenario: everything that chance decides about one run, as plain data that can be printed, shrunk and
 * replayed. Durations are given in tenths of the deadline plus −1, 0 or +1 ns, so that the instants around a
 * deadline are common and a shrunk case reads well.
 */
import fc from 'fast-check';
import {
  DEADLINES,
  FAST_PATHS,
  type FastPath,
  REVIEWERS,
  type ReviewerKind,
} from '../model/configuration.ts';
import type { Fault } from './memory-store.ts';
import { BASE, type PolicyText, policy } from './policies.ts';
import { type Attempt, attempt, reviewed, showAttempt } from './universe.ts';

/** Tenths of the deadline, and a nanosecond more or less. */
export interface Span {
  readonly tenths: number;
  readonly plus: -1 | 0 | 1;
}

/** What the reviewer does about one event. */
export const BEHAVIOURS = [
  'allow',
  'deny',
  'never',
  'rejects',
  'throws',
  'malformed',
  'nothing',
  'another-id',
  'twice',
  'floods',
  'dies',
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export interface Plan {
  /** Since the attempt before. */
  readonly gap: Span;
  readonly attempt: Attempt;
  readonly after: Span;
  readonly reviewer: Behaviour;
  /** A native fast path puts it up for review whatever its table says, as a hook gone wrong might. */
  readonly doubted: boolean;
  /** The caller is killed this long after its attempt, if it still waits; null: it is not. */
  readonly killed: Span | null;
}

export interface Scenario {
  readonly policy: PolicyText;
  readonly fastPath: FastPath;
  readonly reviewer: ReviewerKind;
  /** ns. */
  readonly deadline: number;
  readonly audit: Fault;
  /** Most reviews in flight; beyond it the monitor denies. */
  readonly pending: number;
  readonly plans: readonly Plan[];
  /** Answers and syncs arrive as soon as they are ready; otherwise they may lag behind time. */
  readonly prompt: boolean;
  /** The monitor's event loop stands still from `at` (since the start) for `length`. */
  readonly stalls: readonly { readonly at: Span; readonly length: Span }[];
  /** A trail segment that would grow beyond this is closed and the next one begun. */
  readonly segmentBytes: number;
  /** The monitor dies at this step of the run; a power cut also loses what was not synced, but for `torn` bytes. */
  readonly crash: { readonly step: number; readonly power: boolean; readonly torn: number } | null;
}

export const span = (most: number): fc.Arbitrary<Span> =>
  fc.record({ tenths: fc.nat({ max: most }), plus: fc.constantFrom<(-1 | 0 | 1)[]>(0, -1, 1) });

/** ns of a span. Never negative. */
export const length = ({ tenths, plus }: Span, deadline: number): number =>
  Math.max(0, Math.round((deadline / 10) * tenths) + plus);

const PROMPT: Span = { tenths: 0, plus: 0 };

/** The parts of a scenario, each with the chance it has when a property does not choose for itself. */
export const chances: { readonly [K in keyof Scenario]: fc.Arbitrary<Scenario[K]> } = {
  policy,
  fastPath: fc.constantFrom(...FAST_PATHS),
  reviewer: fc.constantFrom(...REVIEWERS, 'exec' as const),
  deadline: fc.constantFrom(...DEADLINES),
  audit: fc.oneof(
    { arbitrary: fc.constant<Fault>({ kind: 'ok' }), weight: 4 },
    fc.record({
      kind: fc.constant('full' as const),
      at: fc.integer({ min: 2, max: 12 }),
      part: fc.constantFrom(0, 0.5),
    }),
    fc.record({ kind: fc.constant('write-fails' as const), at: fc.integer({ min: 2, max: 12 }) }),
    fc.record({ kind: fc.constant('sync-fails' as const), at: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ kind: fc.constant('slow' as const), tenths: fc.integer({ min: 1, max: 12 }) }),
  ),
  pending: fc.constantFrom(4096, 2),
  plans: plans(
    fc.oneof(reviewed, attempt),
    fc.constantFrom<Behaviour[]>('allow', 'allow', ...BEHAVIOURS),
    span(12),
  ),
  prompt: fc.boolean(),
  stalls: fc.array(fc.record({ at: span(20), length: span(15) }), { maxLength: 2 }),
  segmentBytes: fc.constantFrom(64 << 20, 2000),
  crash: fc.constant<Scenario['crash']>(null),
};

/** Plans for up to eight attempts; one in `doubts` is doubted by the hook, and some callers are
 * killed; none where that is 0. */
export function plans(
  attempts: fc.Arbitrary<Attempt>,
  reviewer: fc.Arbitrary<Behaviour>,
  after: fc.Arbitrary<Span>,
  doubts = 10,
): fc.Arbitrary<Plan[]> {
  const doubted =
    doubts === 0 ? fc.constant(false) : fc.nat({ max: doubts - 1 }).map((chance) => chance === doubts - 1);
  const killed = doubts === 0 ? fc.constant(null) : fc.option(span(9), { freq: 8 });
  return fc.array(fc.record({ gap: span(6), attempt: attempts, after, reviewer, doubted, killed }), {
    minLength: 1,
    maxLength: 8,
  });
}

/** Parts of a scenario that a property chooses for itself. */
export type Chosen = Partial<typeof chances>;

/** Scenarios, with some parts chosen by the property. */
export function scenarios(chosen: Chosen = {}): fc.Arbitrary<Scenario> {
  return fc.record({ ...chances, ...chosen });
}

/** The monitor dies somewhere within the run. */
export const crashes = fc.record({
  step: fc.integer({ min: 1, max: 24 }),
  power: fc.boolean(),
  torn: fc.nat({ max: 600 }),
});

/** Nothing goes wrong and everyone answers at once. */
export const calm = {
  audit: fc.constant<Fault>({ kind: 'ok' }),
  pending: fc.constant(4096),
  prompt: fc.constant(true),
  stalls: fc.constant<Scenario['stalls']>([]),
  plans: plans(
    fc.oneof(reviewed, attempt),
    fc.constantFrom<Behaviour[]>('allow', 'deny'),
    fc.constant(PROMPT),
    0,
  ),
} satisfies Chosen;

/** A scenario for a person: one line per part, one per attempt. */
export function showScenario(scenario: Scenario): string {
  const base = Object.entries(BASE).find(([, text]) => text === scenario.policy)?.[0];
  const { fastPath, reviewer, deadline, audit, pending, prompt, stalls, crash } = scenario;
  return [
    `policy: ${base ?? JSON.stringify(scenario.policy)}`,
    `fast path ${fastPath}, reviewer ${reviewer}, deadline ${deadline / 1e6} ms, at most ${pending} pending`,
    prompt ? 'answers and syncs arrive promptly' : 'answers and syncs may lag',
    `audit: ${JSON.stringify(audit)}`,
    ...stalls.map((stall) => `stall from ${showSpan(stall.at)} for ${showSpan(stall.length)}`),
    ...(crash === null
      ? []
      : [
          `crash at step ${crash.step}${crash.power ? ` with a power cut that spares ${crash.torn} unsynced bytes` : ''}`,
        ]),
    ...scenario.plans.map(
      (plan, i) =>
        `${i + 1}. +${showSpan(plan.gap)}: ${showAttempt(plan.attempt)}; reviewer ${plan.reviewer} after ${showSpan(plan.after)}${plan.doubted ? '; doubted by the hook' : ''}${plan.killed === null ? '' : `; caller killed after ${showSpan(plan.killed)}`}`,
    ),
  ].join('\n');
}

const showSpan = ({ tenths, plus }: Span): string =>
  `${tenths}/10 D${plus === 0 ? '' : plus > 0 ? ' + 1 ns' : ' − 1 ns'}`;
