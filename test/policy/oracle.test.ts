/** The table and the oracle say the same of every word, by the same rule. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBytes } from '../../model/bytes.ts';
import { OPERATIONS } from '../../model/operation.ts';
import { oracle } from '../../model/oracle.ts';
import { compile } from '../../model/policy/compile.ts';
import { decideWord } from '../../model/policy/decide.ts';
import { parsePolicy } from '../../model/policy/schema.ts';
import { ENVIRONMENT, textOf } from './environment.ts';

const effect = fc.constantFrom('allow', 'deny', 'review');
const some = <T>(...items: T[]) => fc.uniqueArray(fc.constantFrom(...items), { minLength: 1, maxLength: 3 });
const joined = (...pieces: string[]) =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 4 }).map((all) => all.join(''));

const glob = fc
  .tuple(
    fc.constantFrom(
      '/',
      '~/',
      `\${workspace}/`,
      `\${tmp}/`,
      '**/',
      '/bin/',
      '/var/run/',
      '/{bin,a}/',
      'pipe:',
    ),
    joined(
      'a',
      'b',
      '.',
      '*',
      '**',
      '/**',
      '?',
      '[a-c]',
      '[!a]',
      '[]x]',
      '{a,/b}',
      '{,a,{b,é}}',
      'é',
      '\\*',
      '/a',
    ),
  )
  .map(([top, rest]) => top + rest);
const argv = joined(
  'a',
  'b',
  ' ',
  '.',
  '.*',
  '[ab ]',
  '[^a]',
  '(a|b )*',
  'é',
  '\\.',
  'a+?',
  '(?:ab){1,2}',
  '\\s',
  '\\x61',
  '\\W',
  'b{2,}',
  '$',
);
const address = fc.constantFrom(
  '127.0.0.0/8:*',
  '10.0.0.0/9:80-90',
  '[2001:db8::]/33:*',
  'tcp:0.0.0.0/0:443',
  'udp:[::1]:1-65535',
  'unix:/bin/**',
  'unix:@a*',
  'netlink:*',
  'other:*',
  '1.2.3.4:0-8',
);
const subjects = some('**/a', '/bin/*', '/usr/**', '~/b');
const rule = fc.oneof(
  fc.record(
    {
      effect,
      operations: some('read', 'write', 'exec'),
      paths: fc.array(glob, { minLength: 1, maxLength: 3 }),
      subjects,
    },
    { requiredKeys: ['effect', 'paths'] },
  ),
  fc.record(
    { effect, argv, paths: fc.array(glob, { minLength: 1, maxLength: 2 }) },
    { requiredKeys: ['effect', 'argv'] },
  ),
  fc.record(
    { effect, addresses: fc.array(address, { minLength: 1, maxLength: 3 }), subjects },
    { requiredKeys: ['effect', 'addresses'] },
  ),
  fc.record({ effect, operations: some(...OPERATIONS), subjects }, { requiredKeys: ['effect'] }),
);

/** Patterns that no path can match are refused by the parser; those policies are left out. */
const policy = fc
  .record({ rules: fc.array(rule, { minLength: 1, maxLength: 6 }), other: fc.constantFrom('review', 'deny') })
  .map(({ rules, other }) => {
    try {
      return parsePolicy(
        textOf(
          rules.map((fields, i) => ({ id: `r${i}`, ...fields })),
          { default: other },
        ),
        'random',
      );
    } catch {
      return null;
    }
  })
  .filter((parsed) => parsed !== null);

const name = joined('a', 'b', 'c', '.', 'é', '\udcff', '\n', '*', ' ', '/', '/a', '/b');
const path = fc
  .tuple(
    fc.constantFrom(
      '/',
      '/home/u/',
      '/home/u/w/',
      '/tmp/',
      '/usr/bin/',
      '/bin/',
      '/run/',
      'pipe:',
      '/home/u/.local/state/portcullis/',
    ),
    name,
  )
  .map(([top, rest]) => top + rest);
const hex = fc.constantFrom(
  '00000000000000000000ffff7f000001',
  '00000000000000000000ffff0a000001',
  '20010db8000000000000000000000001',
  '00000000000000000000000000000001',
  'x',
);
const object = fc.oneof(
  path,
  fc.array(fc.oneof(path, name), { maxLength: 4 }).map((all) => all.join('\0')),
  fc
    .tuple(
      fc.constantFrom('tcp', 'udp', 'netlink', 'other', 'x'),
      hex,
      fc.constantFrom('0', '80', '443', '65535', '007', ''),
      fc.constantFrom('', 'host'),
    )
    .map((all) => all.join('\0')),
  path.map((socket) => `unix\0${socket}`),
);
const word = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(fc.constantFrom(...OPERATIONS), fc.oneof(path, fc.constant('/usr/x')), object)
      .map((all) => toBytes(all.join('\0'))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
);

describe('the compiled table', () => {
  it('agrees with the oracle on random policies and words', () => {
    fc.assert(
      fc.property(policy, fc.array(word, { minLength: 30, maxLength: 30 }), (parsed, words) => {
        const { walker } = compile(parsed, ENVIRONMENT);
        const second = oracle(parsed, ENVIRONMENT);
        for (const one of words)
          expect(decideWord(walker, one), JSON.stringify(shown(one))).toEqual(second.word(one));
      }),
      { numRuns: Number(process.env.RUNS ?? 150) },
    );
  });
});

const shown = (bytes: Uint8Array) => String.fromCharCode(...bytes);
