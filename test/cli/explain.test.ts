/** The command that a denial prints is pasted into a shell, and must say what the gate said: same effect, same rule. */
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, Scratch } from '../live/gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

const RULES = `
  - id: python-only
    effect: deny
    operations: [read]
    paths: ["\${workspace}/data"]
    subjects: ["**/cat"]
  - id: shells-by-name
    effect: deny
    argv: "sh -c forbidden.*"
  - id: dash-scripts
    effect: deny
    argv: "/bin/sh -e .*"
  - id: no-moves
    effect: deny
    operations: [rename]
    paths: ["\${workspace}/kept"]
  - id: no-reading
    effect: deny
    operations: [read]
    paths: ["\${workspace}/write only"]
  - id: no-latin
    effect: deny
    operations: [read]
    paths: ["\${workspace}/raw/?? x"]
  - id: no-net
    effect: deny
    addresses: ["udp:127.0.0.1:9", "127.0.0.1:9"]
`;

interface Denial {
  line: string;
  rule: string | null;
  command: string;
}

function denials(stderr: string): Denial[] {
  return stderr
    .split('\n')
    .map((line) => line.slice(Math.max(0, line.indexOf('portcullis: denied'))))
    .filter((line) => line.startsWith('portcullis: denied'))
    .map((line) => ({
      line,
      rule: /by rule (\S+)/.exec(line)?.[1] ?? null,
      command: line.slice(line.indexOf('see: ') + 'see: '.length),
    }));
}

/** What the printed command says when a shell gets it as it stands. */
function explained(command: string): { verdict: string; rule: { id: string } | null } {
  const ran = spawnSync('bash', ['-c', command.replace(' explain ', ' explain --json ')], {
    cwd: scratch.workspace,
    env: { ...scratch.env(), PATH: `${dirname(BIN)}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout);
}

describe('the command a denial prints', () => {
  it('gives the effect and the rule of that denial', () => {
    const policy = scratch.policy(RULES);
    scratch.folder('workspace/raw');
    writeFileSync(
      Buffer.concat([Buffer.from(`${scratch.workspace}/raw/`), Buffer.from('ffe92078', 'hex')]),
      '',
    );
    for (const name of ['data', 'kept', 'write only']) scratch.file(`workspace/${name}`, 'x');
    scratch.file('workspace/script', '#!/bin/sh -e\necho ran\n', 0o755);
    const trace = join(scratch.workspace, 'trace');
    const ran = scratch.run(
      ['--policy', policy, '--trace', trace],
      [
        'bash',
        '-c',
        `cat data
         sh -c 'forbidden "word"'
         ./script
         mv kept moved
         : <>'write only'
         echo x >/dev/udp/127.0.0.1/9
         echo x >/dev/tcp/127.0.0.1/9
         cat raw/$'\\xff\\xe9 x'
         : >trace
         : >>"$0"`,
        policy,
      ],
    );
    const found = denials(ran.stderr);
    const rules = found.map(({ rule }) => rule);
    for (const rule of [
      'python-only',
      'shells-by-name',
      'dash-scripts',
      'portcullis-moves-deny',
      'no-reading',
      'no-net',
      'no-latin',
      'portcullis-files',
    ])
      expect(rules, rule).toContain(rule);
    for (const { line, rule, command } of found) {
      const said = explained(command);
      expect(said.verdict, line).toBe('deny');
      expect(said.rule?.id ?? null, line).toBe(rule);
    }
    expect(found.find(({ rule }) => rule === 'dash-scripts')?.line).toMatch(/\(its interpreter \/\S*sh\)/);
  });

  it('keeps the name a program was started under, and the subject, also where they make the difference', () => {
    const policy = scratch.policy(`
  - id: not-as-sh
    effect: deny
    argv: "odd .*"
  - id: reader
    effect: deny
    operations: [read]
    paths: ["\${workspace}/x"]
    subjects: ["\${workspace}/my cat"]
`);
    scratch.file('workspace/x', '');
    spawnSync('cp', ['/bin/cat', join(scratch.workspace, 'my cat')]);
    symlinkSync('/bin/sh', join(scratch.workspace, 'odd'));
    const ran = scratch.run(
      ['--policy', policy],
      ['bash', '-c', `cat x; './my cat' x; PATH=. odd -c :; (exec -a odd /bin/true y)`],
    );
    const found = denials(ran.stderr);
    expect(found.map(({ rule }) => rule)).toEqual(['reader', 'not-as-sh', 'not-as-sh']);
    for (const { rule, command } of found)
      expect(explained(command)).toMatchObject({ verdict: 'deny', rule: { id: rule } });
  });

  it('does not pass off a later layer’s denial as the policy’s', () => {
    const policy = scratch.policy(`
  - id: ask
    effect: review
    operations: [read]
    paths: ["\${workspace}/asked"]
    subjects: ["**/cat"]
`);
    const asking = scratch.policy(
      '  - id: none\n    effect: allow\n    paths: ["/nowhere"]\n',
      'default: review',
    );
    scratch.file('outside/asked', '');
    for (const [file, path] of [
      [policy, '../workspace/asked'],
      [asking, '../outside/asked'],
    ] as const) {
      scratch.file('workspace/asked', '');
      const ran = scratch.run(['--policy', file], ['bash', '-c', `cat ${path}`]);
      const [denial] = denials(ran.stderr);
      expect(denial?.line).toMatch(/by the reviewer.*; policy had put it up for review, see: portcullis /);
      expect(explained(denial!.command).verdict).toBe('review');
    }
  });
});
