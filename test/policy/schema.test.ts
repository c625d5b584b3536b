/** Faults in policy files: each has its place, says what is wrong, and stands beside all others. */
import { describe, expect, it } from 'vitest';
import { PolicyError } from '../../model/policy/errors.ts';
import { parsePolicy } from '../../model/policy/schema.ts';

/** `line:column message; hint` of each fault. */
function faults(text: string): string[] {
  try {
    parsePolicy(text, 'p.yaml');
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const line of error.format().split('\n')) expect(line).toMatch(/^p\.yaml:\d+:\d+: /);
    return error.complaints.map(({ line, column, message, hint }) => `${line}:${column} ${message}; ${hint}`);
  }
}

const rule = (fields: string) => `version: 1\nrules:\n  - {id: a, effect: deny, ${fields}}\n`;

describe('a policy file', () => {
  it('is read with its defaults', () => {
    const policy = parsePolicy(rule('paths: [/x]'), 'p.yaml');
    expect(policy).toMatchObject({
      default: 'review',
      record: 'changes',
      durability: 'batched',
      trust: [],
      rates: [],
    });
    expect(policy.rules[0]).toMatchObject({ id: 'a', at: { file: 'p.yaml', line: 3, column: 5 } });
    expect(policy.rules[0]!.operations).not.toContain('connect');
  });

  it.each([
    ['', '1:1 the file is empty'],
    ['   \n', '1:1 the file is empty'],
    ['# nothing', '1:1 the file is empty'],
    ['version: 1\0', '1:1 the file holds control characters'],
    [`#${'x'.repeat(1 << 20)}`, '1:1 the file is larger than 1 MiB'],
    ['- a', '1:1 the policy must be a map, not a list'],
    ['version: [1', '1:12 not valid YAML'],
    ['version: 2\nrules: [{id: a, effect: deny}]', '1:10 version must be 1'],
    ['rules: [{id: a, effect: deny}]', '1:1 version is missing'],
    ['version: 1', '1:1 rules is missing; a policy has at least one rule'],
    ['version: 1\nrules: []', '2:8 rules is an empty list; a policy has at least one rule'],
    ['version: 1\nrules:\n', '2:7 rules must be a list, not nothing'],
    ['version: 1\nrule: []', '2:1 unknown key "rule" in the policy'],
    [
      'version: 1\ndefault: allow\nrules: [{id: a, effect: deny}]',
      '2:10 default must be review or deny, not "allow"',
    ],
    ['version: 1\nversion: 1', '2:1 not valid YAML: Map keys must be unique'],
    ['version: 1\n---\nversion: 1', '2:1 a second document'],
    ['version: 1\nrules: &r [{id: a, effect: deny}]', '2:11 an anchor'],
    ['version: 1\nrules: *r', '2:8'],
    ['version: 1\nrules: !!seq [{id: a, effect: deny}]', 'a tag'],
    ['version: 1\nrules: [{<<: {id: a}, effect: deny}]', '2:10 a merge key'],
    ['version: 1\nrules: [{effect: deny}]', '2:9 a rule without an id'],
    ['version: 1\nrules: [{id: A b, effect: deny}]', '2:14 id "A b" is not a name'],
    [
      'version: 1\nrules: [{id: portcullis-x, effect: deny}]',
      '2:14 ids beginning with portcullis- are reserved',
    ],
    ['version: 1\nrules: [{id: a, effect: deny}, {id: a, effect: deny}]', '2:37 a second rule with id a'],
    ['version: 1\nrules: [{id: a}]', '2:9 a rule without an effect'],
    [
      'version: 1\nrules: [{id: a, effect: permit}]',
      '2:25 effect must be allow or review or deny, not "permit"',
    ],
    [rule('operations: [reed]'), '3:40 unknown operation "reed"'],
    [rule('operations: []'), '3:39 operations is an empty list'],
    [rule('operations: [read, read]'), '3:46 read is named twice'],
    [rule('operations: read'), '3:39 operations must be a list, not "read"'],
    [rule('operations: [connect], paths: [/x]'), '3:40 paths cannot be matched on connect'],
    [rule("operations: [read], addresses: ['1.2.3.4:*']"), '3:40 addresses cannot be matched on read'],
    [rule('operations: [read], argv: x'), '3:40 argv cannot be matched on read'],
    [rule("paths: [/x], addresses: ['1.2.3.4:*']"), 'addresses cannot stand beside paths or argv'],
    [rule('paths: [x/y]'), '3:35 "x/y" is relative'],
    [rule('paths: ["*"]'), '3:35 "*" is relative'],
    [rule('paths: [/x/]'), '3:35 "/x/" ends in a slash'],
    [rule('paths: [/x/../y]'), '3:35 "/x/../y" holds an empty, . or .. component'],
    [rule('paths: ["~u/x"]'), '3:35 ~ must be followed by /'],
    [rule(`paths: ["\${home}/x"]`), `3:35 unknown variable \${home}`],
    [rule('paths: ["/x[a"]'), '3:35 [ without its ]'],
    [rule('paths: ["/x[ä]"]'), '3:35 a class holds a byte outside ASCII'],
    [rule('paths: ["/x[z-a]"]'), '3:35 a class range runs backwards'],
    [rule('paths: ["/{a,b"]'), '3:35 { without its }'],
    [rule('paths: ["/a}"]'), '3:35 } without a {'],
    [rule(`paths: ["/${'{a,b}'.repeat(11)}"]`), '3:35 braces multiply out'],
    [rule(`paths: ["/${'{'.repeat(70)}${'}'.repeat(70)}"]`), '3:35 braces nested'],
    [rule('paths: ["/a\\\\"]'), '3:35 \\ at the end of a pattern'],
    [rule(`paths: ["/${'x'.repeat(4096)}"]`), 'is longer than 4096 bytes'],
    [rule('paths: [3]'), '3:35 an entry of paths must be a string, not 3'],
    [rule('subjects: [bash]'), '3:38 "bash" is relative'],
    [rule("argv: '(a'"), '3:33 not a regular expression'],
    [rule("argv: '(a)\\1'"), '3:33 back-references'],
    [rule("argv: 'a(?=b)'"), '3:33 look-around'],
    [rule("argv: 'a\\b'"), '3:33 word boundaries'],
    [rule("argv: 'a|^b'"), '3:33 anchors inside'],
    [rule("argv: 'a{x'"), '3:33 { that is no repetition'],
    [rule("argv: '[é]'"), '3:33 a class holds a character outside ASCII'],
    [rule("argv: '((a{99}){99}){99}'"), '3:33 the regular expression is too large'],
    [
      rule("addresses: ['example.org:443']"),
      '3:39 "example.org:443" is not an address: this version judges addresses',
    ],
    [rule("addresses: ['1.2.3:4']"), '3:39 1.2.3 is not an IPv4 address'],
    [rule("addresses: ['1.2.3.4']"), '3:39 "1.2.3.4" is not an address pattern'],
    [rule("addresses: ['1.2.3.4/33:*']"), '3:39 a prefix of 33 bits'],
    [rule("addresses: ['1.2.3.4:9-8']"), '3:39 9-8 is not a port'],
    [rule("addresses: ['[1::2::3]:*']"), '3:39 [1::2::3] is not an IPv6 address'],
    [rule("addresses: ['unix:x']"), '3:39 a unix socket is an absolute path or @name'],
    [`${rule('paths: [/x]')}trust: [{subjects: [/x]}]`, '4:9 tier is missing'],
    [`${rule('paths: [/x]')}trust: [{tier: trusted}]`, '4:9 subjects is missing'],
    [`${rule('paths: [/x]')}rates: [{burst: 0, per_second: 1}]`, '4:17 burst must be a whole number'],
    [`${rule('paths: [/x]')}rates: [{burst: 1}]`, '4:9 per_second is missing'],
    [
      `${rule('paths: [/x]')}constitution: [{id: c, effect: deny}]`,
      '4:24 unknown key "effect" in a constitutional rule',
    ],
    [`${rule('paths: [/x]')}record: some`, '4:9 record must be changes or all'],
  ])('%j', (text, expected) => {
    const found = faults(text);
    expect(found.length, 'some fault is found').toBeGreaterThan(0);
    expect(
      found.some((fault) => fault.includes(expected)),
      found.join('\n'),
    ).toBe(true);
  });

  it('reports every fault at once', () => {
    expect(
      faults('version: 3\ndefault: allow\nrules:\n  - {id: B, effect: x, paths: [y]}\n').map(
        (f) => f.split(' ')[0],
      ),
    ).toEqual(['1:10', '2:10', '4:10', '4:21', '4:32']);
  });

  it('reports in the order of the file, whatever the order of checking', () => {
    const text =
      'version: 1\nrecord: x\nrules:\n  - {paths: [y], id: B}\n  - {effect: x, id: c}\ndefault: allow\n';
    const places = faults(text).map((fault) => fault.split(' ')[0]!.split(':').map(Number));
    expect(places.length).toBeGreaterThan(4);
    expect(places).toEqual(places.toSorted((a, b) => a[0]! - b[0]! || a[1]! - b[1]!));
  });

  it('bounds rules, patterns and nesting', () => {
    const many = (n: number, one: (i: number) => string) =>
      `[${Array.from({ length: n }, (_, i) => one(i)).join(',')}]`;
    expect(faults(`version: 1\nrules: ${many(2001, (i) => `{id: r${i}, effect: deny}`)}`)[0]).toContain(
      'more than 2000',
    );
    expect(faults(rule(`paths: ${many(1001, (i) => `/p${i}`)}`))[0]).toContain('more than 1000');
    const deep = [
      '['.repeat(100_000),
      '['.repeat(100_000) + ']'.repeat(100_000),
      '{a: '.repeat(100_000),
      Array.from({ length: 1200 }, (_, i) => `\n${' '.repeat(i + 1)}a:`).join(''),
    ].map((value) => `version: ${value}`);
    for (const text of [...deep, `${'- '.repeat(100_000)}x`, `${'? '.repeat(100_000)}x`]) {
      const found = faults(text);
      expect(found.length).toBe(1);
      expect(found[0]).toMatch(/^\d+:\d+ nested too deeply: more than 64 levels/);
    }
    // Brackets within text are no nesting.
    expect(faults(rule(`paths: [/x], reason: '${'['.repeat(200)}'`))).toEqual([]);
  });
});
