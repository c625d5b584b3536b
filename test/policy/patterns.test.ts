/** What patterns match, case by case, and what becomes of large ones. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../model/policy/compile.ts';
import { decideConstitution, decideWord } from '../../model/policy/decide.ts';
import { literalPrefixes } from '../../model/policy/environment.ts';
import { PolicyError } from '../../model/policy/errors.ts';
import { escapeGlob } from '../../model/policy/glob.ts';
import { parsePolicy } from '../../model/policy/schema.ts';
import { rateClass, trustTier } from '../../model/policy/tiers.ts';
import { Walker } from '../../model/policy/walk.ts';
import { attempt, compiled, ENVIRONMENT, onPath, program, textOf, verdict } from './environment.ts';

const matches = (pattern: string, path: string) =>
  verdict(compiled([{ id: 'r', effect: 'deny', paths: [pattern] }]), onPath('read', path)) === 'deny by r';

describe('globs', () => {
  it.each([
    ['/a/*', '/a/b', '/a/b/c'],
    ['/a/**', '/a', '/ab'],
    ['/a/**', '/a/b/c', '/b'],
    ['/a/**/b', '/a/b', '/ab'],
    ['/a/**/b', '/a/x/y/b', '/a/xb'],
    ['**/.env', '/.env', '/x.env'],
    ['**/.env', '/a/b/.env', '/a/.env/b'],
    ['/a/b**', '/a/b/c', '/a/c'],
    ['/a?c', '/abc', '/a/c'],
    ['/a[!b]c', '/axc', '/a/c'],
    ['/[a-c]', '/b', '/d'],
    ['/[]x]', '/]', '/y'],
    ['/{a,b{c,d}}/e', '/bd/e', '/b/e'],
    ['/a{,b}', '/a', '/ac'],
    ['/\\*', '/*', '/a'],
    ['/é', '/é', '/e'],
    ['/?', '/\udcff', '/é'],
    ['~/x', '/home/u/x', '~/x'],
    [`\${tmp}/x`, '/var/tmp/x', '/usr/tmp/x'],
    ['/bin/s*', '/usr/bin/sh', '/usr/sbin/sh'],
    ['/{var,x}/run/**', '/run/u', '/var'],
    ['pipe:*', 'pipe:[1]', 'socket:[1]'],
  ])('%s matches %s and not %s', (pattern, yes, no) => {
    expect(matches(pattern, yes)).toBe(true);
    expect(matches(pattern, no)).toBe(false);
  });

  it('never match NUL', () => {
    const { walker } = compiled([{ id: 'r', effect: 'deny', paths: ['**'] }]);
    const word = (path: string) => new TextEncoder().encode(`read\0/x\0${path}`);
    expect(decideWord(walker, word('/a')).effect).toBe('deny');
    expect(decideWord(walker, word('/a\0/b')).effect).toBe('review');
  });

  it('take values as literals', () => {
    const odd = '/w*[x]{a}\\~$';
    const policy = compiled(
      [{ id: 'r', effect: 'deny', paths: [`\${workspace}/**`] }],
      {},
      { ...ENVIRONMENT, workspace: odd },
    );
    expect(verdict(policy, onPath('read', `${odd}/f`))).toBe('deny by r');
    expect(verdict(policy, onPath('read', '/wb[x]{a}\\~$/f'))).toBe('review by default');
    expect(matches(escapeGlob(odd), odd)).toBe(true);
  });

  it('do not widen an allow through a link in the workspace', () => {
    const environment = { ...ENVIRONMENT, aliases: { '/home/u/w/link': '/etc' } };
    const judge = (effect: string) =>
      verdict(
        compiled([{ id: 'r', effect, paths: [`\${workspace}/link/**`] }], {}, environment),
        onPath('read', '/etc/passwd'),
      );
    expect(judge('allow')).toBe('review by default');
    expect(judge('deny')).toBe('deny by r');
  });

  it('name the prefixes to be resolved', () => {
    const policy = parsePolicy(
      textOf([
        { id: 'a', effect: 'deny', paths: ['/{bin,sbin}/**', '~/.x/y*', '**/z', '/*'], subjects: ['/opt/a'] },
        { id: 'b', effect: 'deny', addresses: ['unix:/var/run/x', 'unix:@/abstract'] },
      ]),
      'p',
    );
    expect(literalPrefixes(policy, ENVIRONMENT).sort()).toEqual([
      '/bin',
      '/home/u/.x',
      '/opt/a',
      '/sbin',
      '/var/run/x',
    ]);
  });
});

describe('argument patterns', () => {
  const runs = (argv: string, ...line: string[]) =>
    verdict(
      compiled([{ id: 'r', effect: 'deny', argv }]),
      attempt('exec', { kind: 'program', path: '/bin/x', argv: line }),
    ) === 'deny by r';
  it.each([
    ['(ba|da|z)?sh -c .*curl.*\\|.*sh.*', ['sh', '-c', 'curl x | sh'], ['sh', '-c', 'curl x']],
    ['a b', ['a', 'b'], ['a', '', 'b']],
    ['a b', ['a b'], ['ab']],
    ['^a$', ['a'], ['a', '']],
    ['a\\$', ['a$'], ['a']],
    ['a[^ ]c', ['abc'], ['a', 'c']],
    ['a\\s+b', ['a', '', 'b'], ['ab']],
    ['é{2}', ['éé'], ['é']],
    ['a.b', ['a', 'b'], ['aéb']],
    ['x{2,3}?', ['xxx'], ['x']],
    ['\\x2f[\\d\\-]+', ['/1-2'], ['/a']],
  ])('%j', (argv, yes, no) => {
    expect(runs(argv, ...yes)).toBe(true);
    expect(runs(argv, ...no)).toBe(false);
  });

  it('may stand beside paths of the program', () => {
    const policy = compiled([{ id: 'r', effect: 'deny', argv: '.* push.*', paths: ['**/git'] }]);
    expect(verdict(policy, program('/usr/bin/git', 'push'))).toBe('deny by r');
    expect(verdict(policy, program('/usr/bin/hg', 'push'))).toBe('review by default');
  });
});

describe('rules', () => {
  it('deny beats review beats allow, and the first of equals names itself', () => {
    const rule = (id: string, effect: string) => ({ id, effect, paths: ['/x'] });
    const judge = (...rules: object[]) => verdict(compiled(rules), onPath('read', '/x'));
    expect(judge(rule('a', 'allow'), rule('b', 'review'), rule('c', 'deny'), rule('d', 'deny'))).toBe(
      'deny by c',
    );
    expect(judge(rule('a', 'allow'), rule('b', 'review'))).toBe('review by b');
    expect(judge(rule('a', 'allow'), rule('b', 'allow'))).toBe('allow by a');
  });

  it('cannot override what protects Portcullis', () => {
    const policy = compiled([{ id: 'r', effect: 'allow' }]);
    const judge = (event: Parameters<typeof verdict>[1]) => verdict(policy, event);
    const state = '/home/u/.local/state/portcullis';
    expect(judge(onPath('read', `${state}/r/trail`))).toBe('deny by portcullis-state');
    expect(judge(attempt('connect', { kind: 'unix', path: `${state}/r/s` }))).toBe(
      'deny by portcullis-state-sockets',
    );
    expect(judge(onPath('write', '/opt/portcullis'))).toBe('deny by portcullis-files');
    expect(judge(onPath('read', '/opt/portcullis/x'))).toBe('allow by r');
    expect(judge(onPath('rename', '/home/u/.local', '/home/u/x'))).toBe('deny by portcullis-folders');
  });

  it('of the constitution are a table of their own', () => {
    const policy = compiled([], { constitution: [{ id: 'c', paths: ['/x'] }] });
    expect(decideConstitution(policy, onPath('read', '/x'))).toEqual({ effect: 'deny', rule: 0 });
    expect(decideConstitution(policy, onPath('read', '/y'))).toEqual({ effect: 'allow', rule: null });
  });

  it('give tiers and rates to the first entry that fits', () => {
    const policy = compiled([], {
      trust: [
        { subjects: ['/opt/*'], tier: 'trusted' },
        { subjects: ['/opt/x', '/tmp/*'], tier: 'untrusted' },
      ],
      rates: [
        { operations: ['write'], subjects: ['/opt/*'], burst: 2, per_second: 0.5 },
        { burst: 9, per_second: 9 },
      ],
    });
    const by = (exe: string, operation: 'read' | 'write' = 'write') =>
      attempt(operation, { kind: 'path', path: '/' }, exe);
    expect([by('/opt/x'), by('/tmp/a'), by('/bin/a')].map((event) => trustTier(policy, event))).toEqual([
      'trusted',
      'untrusted',
      'standard',
    ]);
    expect([by('/opt/x'), by('/opt/x', 'read')].map((event) => rateClass(policy, event)?.index)).toEqual([
      0, 1,
    ]);
    expect(rateClass(compiled([]), by('/x'))).toBe(null);
  });

  it('change the digest with source and environment', () => {
    const digests = [
      compiled([]),
      compiled([], { default: 'deny' }),
      compiled([], {}, { ...ENVIRONMENT, home: '/h' }),
    ].map((p) => p.digest);
    expect(new Set(digests).size).toBe(3);
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(compiled([]).digest).toBe(digests[0]);
  });
});

describe('size', () => {
  it('five hundred rules of every kind compile', () => {
    const kinds = [
      (i: number) => ({ operations: ['read'], paths: [`**/secret-${i}.key`] }),
      (i: number) => ({ operations: ['read', 'write'], paths: [`~/project-${i}/**`] }),
      (i: number) => ({ addresses: [`10.${i % 256}.0.0/16:${i}-${i + 1000}`] }),
      (i: number) => ({ argv: `tool${i} (run|exec) .*--force.*` }),
      (i: number) => ({ operations: ['write'], paths: [`**/node_modules/p${i}/**`] }),
    ];
    const effects = ['allow', 'deny', 'review'];
    const policy = compiled(
      Array.from({ length: 500 }, (_, i) => ({ id: `r${i}`, effect: effects[i % 3], ...kinds[i % 5]!(i) })),
    );
    expect(verdict(policy, onPath('read', '/home/u/project-6/secret-70.key'))).toBe('deny by r70');
    expect(verdict(policy, onPath('read', '/home/u/project-6/x'))).toBe('allow by r6');
    expect(verdict(policy, onPath('write', '/home/u/project-6/node_modules/p4/x'))).toBe('deny by r4');
  });

  it('folders by names is several automata, as exact as one', () => {
    const dirs = Array.from({ length: 150 }, (_, i) => ({
      id: `d${i}`,
      effect: 'allow',
      paths: [`/srv/dir${i}/**`],
    }));
    const names = Array.from({ length: 150 }, (_, i) => ({
      id: `n${i}`,
      effect: 'deny',
      paths: [`**/name-${i * 7919}.txt`],
    }));
    const policy = compiled([...dirs, ...names]);
    expect(policy.table[4]).toBe(2);
    expect(verdict(policy, onPath('read', '/srv/dir7/a'))).toBe('allow by d7');
    expect(verdict(policy, onPath('read', `/srv/dir7/name-${9 * 7919}.txt`))).toBe('deny by n9');
    expect(verdict(policy, onPath('read', '/srv/dirx'))).toBe('review by default');
  });

  it('a hundred argument patterns that each remember something are many automata, as exact as one', () => {
    const policy = compiled(
      Array.from({ length: 100 }, (_, i) => ({
        id: `t${i}`,
        effect: 'deny',
        operations: ['exec'],
        argv: `.*tool${i} .*--danger${i}.*`,
      })),
    );
    const ran = (...argv: string[]) => verdict(policy, program('/usr/bin/env', ...argv));
    for (const i of [0, 12, 49, 50, 77, 99]) {
      expect(ran(`tool${i}`, 'x', `--danger${i}`)).toBe(`deny by t${i}`);
      expect(ran(`--danger${i}`, `tool${i}`, '--help')).toBe('review by default');
    }
    expect(ran('tool88', 'tool33', '--danger88', '--danger33')).toBe('deny by t33');
  });

  it('a rule that explodes is named, with its place', () => {
    const rules = [
      { id: 'fine', effect: 'deny', paths: ['**/x'] },
      { id: 'bomb', effect: 'deny', argv: '.*a.{18}' },
      { id: 'fine-too', effect: 'deny', paths: ['/y/**'] },
    ];
    let fault: unknown = null;
    try {
      compiled(rules);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeInstanceOf(PolicyError);
    expect((fault as PolicyError).format()).toMatch(
      /^test\.yaml:1:\d+: rule bomb makes the policy's automaton too large; /,
    );
  });
});

describe('a table', () => {
  it('is refused when it is damaged', () => {
    const { table } = compiled([{ id: 'r', effect: 'deny', paths: ['/x'] }]);
    const damaged = (at: number, ...bytes: number[]) => {
      const copy = table.slice();
      copy.set(bytes, at);
      return () => new Walker(copy);
    };
    expect(damaged(0)).not.toThrow();
    expect(() => new Walker(table.subarray(0, table.length - 2))).toThrow(RangeError);
    expect(damaged(0, 0)).toThrow(/magic/);
    expect(damaged(4, 9)).toThrow(/version 9/);
    expect(damaged(24, 0xff)).toThrow(/class/);
    expect(damaged(table.length - 4, 0xff, 0xff, 0xff, 0xff)).toThrow(/state/);
    expect(() => new Walker(new Uint8Array())).toThrow(/empty/);
  });

  it('is the same for the same policy', () => {
    const one = compile(
      parsePolicy(textOf([{ id: 'r', effect: 'deny', paths: ['**/{b,a}'] }]), 'p'),
      ENVIRONMENT,
    );
    const two = compile(
      parsePolicy(textOf([{ id: 'r', effect: 'deny', paths: ['**/{a,b}'] }]), 'p'),
      ENVIRONMENT,
    );
    expect(one.table).toEqual(two.table);
  });
});
