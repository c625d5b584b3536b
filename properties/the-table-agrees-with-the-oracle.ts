/**
 * P7, the matchers: the compiled table, walked in TypeScript and in native code, gives what the oracle gives,
 * which reads the policy rule by rule and shares no code with compiler or walker. Random policies of globs,
 * argument patterns and addresses; events whose names come close to the patterns, and are not all UTF-8.
 */
import fc from 'fast-check';
import type { Event, EventObject } from '../model/event.ts';
import { OPERATIONS, type Operation } from '../model/operation.ts';
import { decide, decideConstitution } from '../model/policy/decide.ts';
import { must, property } from './check.ts';
import { compiled } from './compiled.ts';
import { opinion } from './opinion.ts';
import { type PolicyText, type RuleText, sourceOf } from './policies.ts';
import { type Attempt, HOME, showAttempt, WORKSPACE } from './universe.ts';

const FILES = ['read', 'write', 'create', 'delete', 'rename', 'link', 'chmod'] as const satisfies Operation[];
const PIECES = ['a', 'b', '.env', 'x.c', 'é', '\u0001', '-'] as const;

/** Names made of few pieces, so that they meet patterns made of the same. */
const name = fc
  .array(fc.constantFrom(...PIECES, '\udcff', '\udcc3', '\n'), { maxLength: 3 })
  .map((all) => all.join(''));
const path = fc
  .record({
    top: fc.constantFrom('', '/srv', HOME, WORKSPACE, '/tmp'),
    names: fc.array(name, { minLength: 1, maxLength: 4 }),
  })
  .map(({ top, names }) => `${top}/${names.join('/')}`);

/** One component of a glob; `.` and `..` are none. */
const component = fc.oneof(
  fc.constantFrom('**', '*', '{a,b/*}', '.env'),
  fc
    .array(
      fc.constantFrom('a', 'b', 'x.c', 'é', '-', '*', '?', '[a-c]', '[!a]', '{.env,{a,é}}', '\\*', '**'),
      { minLength: 1, maxLength: 3 },
    )
    .map((pieces) => pieces.join('')),
);

const glob = fc
  .record({
    top: fc.constantFrom('/', '/srv/', '~/', `\${workspace}/`, '**/', '/**/', `\${tmp}/`),
    components: fc.array(component, { minLength: 1, maxLength: 3 }),
  })
  .map(({ top, components }) => top + components.join('/'));

const argvPattern = fc.array(
  fc.constantFrom('a', 'b', ' ', '.', '.*', '[ab]', '(a|b )*', 'sh -c', 'é', '\\.', 'a+', '(ab)?', '[^a]'),
  { minLength: 1, maxLength: 5 },
);
const argument = fc.array(fc.constantFrom('a', 'b', ' ', '.', 'sh', '-c', 'é', '\udcff'), { maxLength: 3 });

const effect = fc.constantFrom<('allow' | 'deny' | 'review')[]>('allow', 'deny', 'review');
const subjects = fc.constantFrom(['**/python3*'], ['/opt/*'], ['/usr/**', '/opt/a']);
const some = <T>(items: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...items), { minLength: 1, maxLength: 3 });

const rule: fc.Arbitrary<Omit<RuleText, 'id'>> = fc.oneof(
  fc.record(
    {
      effect,
      operations: some(FILES),
      paths: fc.uniqueArray(glob, { minLength: 1, maxLength: 3 }),
      subjects,
    },
    { requiredKeys: ['effect', 'paths'] },
  ),
  fc.record({
    effect,
    operations: fc.constant<Operation[]>(['exec']),
    argv: argvPattern.map((parts) => parts.join('')),
  }),
  fc.record({
    effect,
    operations: some<Operation>(['connect', 'send', 'bind']),
    addresses: some([
      '127.0.0.0/8:*',
      '10.0.0.0/9:80-90',
      '[2001:db8::]/33:*',
      'tcp:0.0.0.0/0:443',
      'unix:/srv/**',
      'unix:@a*',
    ]),
  }),
  fc.record({ effect, operations: some(OPERATIONS) }),
);

const policy: fc.Arbitrary<PolicyText> = fc
  .record({
    default: fc.constantFrom('review' as const, 'deny' as const),
    rules: fc.array(rule, { minLength: 1, maxLength: 5 }),
    constitution: fc.array(rule, { maxLength: 2 }),
  })
  .map(({ rules, constitution, ...rest }) => ({
    version: 1,
    ...rest,
    rules: rules.map((fields, i) => ({ id: `rule-${i + 1}`, ...fields })),
    ...(constitution.length === 0
      ? {}
      : {
          constitution: constitution.map(({ effect: _, ...fields }, i) => ({
            id: `law-${i + 1}`,
            ...fields,
          })),
        }),
  }));

const argv = fc.array(
  argument.map((pieces) => pieces.join('')),
  { maxLength: 4 },
);
const hex = fc
  .constantFrom('7f000001', '0a400050', '0a800050', 'c0a80001')
  .map((v4) => `00000000000000000000ffff${v4}`);

const object: fc.Arbitrary<Pick<Attempt, 'operation' | 'also' | 'object'>> = fc.oneof(
  fc.record({
    operation: fc.constantFrom<Operation>(...FILES),
    also: fc.constantFrom<Operation[]>([], ['read'], ['create', 'truncate']),
    object: fc
      .record({ path, to: path }, { requiredKeys: ['path'] })
      .map((names): EventObject => ({ kind: 'path', ...names })),
  }),
  fc.record({
    operation: fc.constant<Operation>('exec'),
    also: fc.constant<Operation[]>([]),
    object: fc
      .record({ path, argv, interpreter: fc.record({ path, argv }) }, { requiredKeys: ['path', 'argv'] })
      .map((program): EventObject => ({ kind: 'program', ...program })),
  }),
  fc.record({
    operation: fc.constantFrom<Operation>('connect', 'send', 'bind'),
    also: fc.constant<Operation[]>([]),
    object: fc.oneof(
      fc
        .record({
          protocol: fc.constantFrom('tcp' as const, 'udp' as const),
          address: fc.oneof(
            hex,
            fc.constantFrom('20010db8000000000000000000000001', '20010db8800000000000000000000001'),
          ),
          port: fc.constantFrom(0, 79, 80, 90, 91, 443, 65535),
        })
        .map((address): EventObject => ({ kind: 'address', ...address })),
      fc.oneof(path, fc.constantFrom('@a', '@', '@b/a')).map((path): EventObject => ({ kind: 'unix', path })),
    ),
  }),
);

const attempts: fc.Arbitrary<Attempt[]> = fc.array(
  fc
    .tuple(object, fc.constantFrom('/usr/bin/python3.11', '/opt/a', '/opt/a/b', '/opt/\udcff'))
    .map(([what, exe]) => ({ ...what, subject: { exe, pid: 1 } })),
  { minLength: 10, maxLength: 40 },
);

interface Case {
  readonly policy: PolicyText;
  readonly attempts: readonly Attempt[];
}

/** A rename without its second name never leaves a hook. */
const sound = (attempt: Attempt): boolean =>
  attempt.operation !== 'rename' || (attempt.object.kind === 'path' && attempt.object.to !== undefined);

export const theTableAgreesWithTheOracle = property<Case>({
  name: 'the-table-agrees-with-the-oracle',
  sentence: 'the compiled table decides every event as the oracle does, by the same rule',
  promise: 'P7',
  cases: fc.record({ policy, attempts }),
  weight: 0.5,
  holds: ({ policy, attempts }) => {
    const table = compiled(policy);
    for (const attempt of attempts.filter(sound)) {
      const event: Event = { ...attempt, n: 1, received: 0, deadline: 1 };
      const expected = opinion(table, event);
      const got = decide(table, event);
      must(
        got.effect === expected.effect && got.rule === expected.rule,
        () =>
          `${showAttempt(attempt)}: the table says ${got.effect} by ${got.rule}, the oracle ${expected.effect} by ${expected.rule}`,
      );
      const lawful = decideConstitution(table, event).effect !== 'deny';
      must(lawful === !expected.unconstitutional, () => `${showAttempt(attempt)}: constitution: ${lawful}`);
    }
  },
  show: ({ policy, attempts }) => `${sourceOf(policy)}\n${attempts.map(showAttempt).join('\n')}`,
});
