/**
 * The policies that scenarios and differential properties use: a few written by hand, each aimed at one part of
 * the pipeline, and random rules on top. A policy is handed on as its source text, so that the real parser and
 * compiler stand in every property. JSON is YAML, which saves quoting.
 */
import fc from 'fast-check';
import type { Operation } from '../model/operation.ts';

/** A rule as it stands in the file. */
export interface RuleText {
  readonly id: string;
  readonly effect?: 'allow' | 'deny' | 'review';
  readonly operations?: readonly Operation[];
  readonly paths?: readonly string[];
  readonly addresses?: readonly string[];
  readonly argv?: string;
  readonly subjects?: readonly string[];
}

/** A policy file as data. */
export interface PolicyText {
  readonly version: 1;
  readonly default: 'review' | 'deny';
  readonly record?: 'changes' | 'all';
  readonly rules: readonly RuleText[];
  readonly constitution?: readonly RuleText[];
  readonly trust?: readonly { subjects: string[]; tier: 'untrusted' | 'standard' | 'trusted' }[];
  readonly rates?: readonly { operations?: Operation[]; burst: number; per_second: number }[];
}

/** The source text of the file. */
export const sourceOf = (policy: PolicyText): string => JSON.stringify(policy, null, 1);

const ORDINARY: readonly RuleText[] = [
  {
    id: 'credentials',
    effect: 'deny',
    paths: ['~/.ssh/**', '**/.env'],
    operations: ['read', 'write', 'delete', 'rename', 'link'],
  },
  { id: 'workspace', effect: 'allow', paths: [`\${workspace}/**`] },
  { id: 'system', effect: 'allow', paths: ['/usr/**'], operations: ['read'] },
  { id: 'programs', effect: 'allow', paths: ['/usr/bin/**'], operations: ['exec'] },
  { id: 'pipe-to-shell', effect: 'deny', argv: '(ba)?sh -c .*curl.*\\|.*sh.*', operations: ['exec'] },
  {
    id: 'loopback',
    effect: 'allow',
    addresses: ['127.0.0.0/8:*', 'unix:/run/u/**'],
    operations: ['connect', 'send'],
  },
  { id: 'pipes', effect: 'allow', paths: ['pipe:*'], operations: ['read', 'write'] },
];

/** Each aims at one part of the pipeline. */
export const BASE: Readonly<
  Record<'ordinary' | 'everything-reviewed' | 'closed' | 'strict-gateway', PolicyText>
> = {
  ordinary: { version: 1, default: 'review', rules: ORDINARY },
  'everything-reviewed': {
    version: 1,
    default: 'review',
    record: 'all',
    rules: [{ id: 'secrets', effect: 'deny', paths: ['~/.ssh/**'] }],
  },
  closed: {
    version: 1,
    default: 'deny',
    rules: [...ORDINARY, { id: 'srv', effect: 'review', paths: ['/srv/**'] }],
  },
  'strict-gateway': {
    version: 1,
    default: 'review',
    rules: ORDINARY,
    constitution: [{ id: 'no-passwd', paths: ['/etc/passwd'] }],
    trust: [
      { subjects: ['/opt/stranger'], tier: 'untrusted' },
      { subjects: ['/opt/trusted'], tier: 'trusted' },
    ],
    rates: [{ operations: ['write', 'delete', 'chmod'], burst: 2, per_second: 1 }],
  },
};

const OPERATIONS_OF_FILES: readonly Operation[] = [
  'read',
  'write',
  'create',
  'delete',
  'rename',
  'link',
  'chmod',
  'truncate',
];

/** Patterns that hit the universe, and a few that only nearly do. */
const PATTERNS = [
  '/srv/*',
  '/srv/?',
  '/srv/[ab]',
  '/srv/[!a]',
  '/srv/{a,new*}',
  '**/main.*',
  '/**/passwd',
  '~/**',
  `\${workspace}/*/**`,
  '**',
  '/usr/**/libc.so',
  '**/*x*',
  '/etc/pass\\wd',
] as const;

/** A random rule with the given id. */
export const rule = (id: string): fc.Arbitrary<RuleText> =>
  fc
    .record(
      {
        effect: fc.constantFrom<('allow' | 'deny' | 'review')[]>('allow', 'deny', 'review'),
        operations: fc.uniqueArray(fc.constantFrom(...OPERATIONS_OF_FILES), { minLength: 1, maxLength: 3 }),
        paths: fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 2 }),
        subjects: fc.constantFrom(['**/python3*'], ['/opt/*'], ['/usr/**', '/opt/trusted']),
      },
      { requiredKeys: ['effect', 'operations', 'paths'] },
    )
    .map((fields) => ({ id, ...fields }));

/** A base policy with up to three random rules on top. */
const varied: fc.Arbitrary<PolicyText> = fc
  .record({
    base: fc.constantFrom(...Object.values(BASE)),
    more: fc.tuple(rule('random-1'), rule('random-2'), rule('random-3')),
    count: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ base, more, count }) => ({ ...base, rules: [...base.rules, ...more.slice(0, count)] }));

/** The policies of scenarios: the base policies, and always the same two dozen variations of them, because
 * compiling takes longer than a scenario. (the-table-agrees-with-the-oracle.ts has ever new ones.) */
export const policy: fc.Arbitrary<PolicyText> = fc.constantFrom(
  ...Object.values(BASE),
  ...fc.sample(varied, { seed: 1, numRuns: 24 }),
);
