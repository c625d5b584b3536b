/** Hostile names, arguments and amounts, through the real gate: the right verdict, the right effect, no hang. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

const secretRule = (scratch: Scratch) => `
  - id: no-secret
    effect: deny
    operations: [read]
    paths: ["${scratch.workspace}/**/secret*"]
`;

describe('paths', () => {
  it('judges a name with a newline as itself', () => {
    scratch.file('workspace/secret\nfile', 'KEY');
    scratch.file('workspace/plain\nfile', 'open');
    const policy = scratch.policy(secretRule(scratch));
    const ran = scratch.run(['--policy', policy], ['sh', '-c', 'cat "plain\nfile"; cat "secret\nfile"']);
    expect(ran.stdout).toBe('open');
    expect(ran.status).toBe(1);
    expect(ran.stderr.split('\n').filter((line) => line.startsWith('portcullis: denied')).length).toBe(1);
    expect(ran.stderr).toMatch(/secret\\nfile/);
  });

  it('judges a name that is not UTF-8 as its bytes, and the trail keeps them', () => {
    const policy = scratch.policy(secretRule(scratch));
    const script = [
      'import os',
      'os.makedirs(b"d\\xff\\xfe", exist_ok=True)',
      'open(b"d\\xff\\xfe/ok", "w").write("fine")',
      'print(open(b"d\\xff\\xfe/ok").read())',
      'open(b"d\\xff\\xfe/secret\\xc3", "w").write("KEY")',
      'try: print(open(b"d\\xff\\xfe/secret\\xc3").read())',
      'except PermissionError: print("denied")',
    ].join('\n');
    const ran = scratch.run(['--policy', policy], ['/usr/bin/python3', '-c', script]);
    expect(ran.stdout).toBe('fine\ndenied\n');
    expect(ran.status).toBe(0);
    const denied = scratch.rows().filter((row) => row.verdict === 'deny');
    expect(JSON.stringify(denied)).toContain('secret\\udcc3');
  });

  it('answers over-long names as the kernel does and serves 4,000-byte ones', () => {
    const policy = scratch.policy('');
    const script = [
      'import os, errno',
      'base = os.getcwd()',
      'd = base',
      'while len(d) < 3800: d += "/" + "x" * 100; os.mkdir(d)',
      'open(d + "/f", "w").write("deep")',
      'print(open(d + "/f").read())',
      'for n in (4095, 4096, 5000):',
      '  try: open("/" + "a" * n)',
      '  except OSError as e: print(errno.errorcode[e.errno])',
    ].join('\n');
    const ran = scratch.run(['--policy', policy], ['/usr/bin/python3', '-c', script]);
    expect(ran.stdout).toBe('deep\nENAMETOOLONG\nENAMETOOLONG\nENAMETOOLONG\n');
  });

  it('resolves .. and symlinks before judging, and a loop is ELOOP', () => {
    scratch.file('workspace/secrets', 'KEY');
    mkdirSync(join(scratch.workspace, 'a/b'), { recursive: true });
    symlinkSync('../../secrets', join(scratch.workspace, 'a/b/innocent'));
    symlinkSync('loop2', join(scratch.workspace, 'loop1'));
    symlinkSync('loop1', join(scratch.workspace, 'loop2'));
    const policy = scratch.policy(secretRule(scratch));
    const ran = scratch.run(
      ['--policy', policy],
      ['sh', '-c', 'cat a/../secrets; cat a/b/innocent; cat /proc/self/cwd/secrets; cat loop1'],
    );
    expect(ran.stdout).toBe('');
    expect(ran.stderr.match(/portcullis: denied read .*secrets/g)?.length).toBe(3);
    expect(ran.stderr).toMatch(/loop1: Too many levels of symbolic links/);
  });
});

describe('arguments', () => {
  it('judges and seals an argument of 128 KiB less one byte', () => {
    const policy = scratch.policy(`
  - id: no-marker
    effect: deny
    operations: [exec]
    argv: ".*FORBIDDEN"
`);
    const script = [
      'import subprocess',
      'big = "x" * (128 * 1024 - 1)',
      'print(len(subprocess.run(["/bin/echo", big], capture_output=True).stdout))',
      'try: subprocess.run(["/bin/echo", big[9:] + "FORBIDDEN"]); print("ran")',
      'except PermissionError: print("denied")',
    ].join('\n');
    const ran = scratch.run(['--policy', policy], ['/usr/bin/python3', '-c', script]);
    expect(ran.stdout).toBe('131072\ndenied\n');
  });
});

describe('amounts', () => {
  it('answers thousands of events at once, each once', () => {
    const policy = scratch.policy(secretRule(scratch));
    const script = [
      'import threading, os',
      'open("ok", "w").write("o"); open("secret", "w").write("KEY")',
      'good = []; bad = []',
      'def work():',
      '  for _ in range(100):',
      '    good.append(open("ok").read())',
      '    try: bad.append(open("secret").read())',
      '    except PermissionError: bad.append("denied")',
      'threads = [threading.Thread(target=work) for _ in range(32)]',
      '[t.start() for t in threads]; [t.join() for t in threads]',
      'print(len(good), set(good), len(bad), set(bad))',
    ].join('\n');
    const ran = scratch.run(['--policy', policy, '--quiet'], ['/usr/bin/python3', '-c', script]);
    expect(ran.stdout).toBe("3200 {'o'} 3200 {'denied'}\n");
    expect(scratch.rows().filter((row) => row.rule === 'no-secret' && row.verdict === 'deny').length).toBe(
      3200,
    );
    expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
  });
});

describe('policies against themselves', () => {
  it('a policy that denies the command its interpreter runs nothing', () => {
    const script = scratch.file('workspace/tool.sh', '#!/bin/sh\necho ran > ran\n', 0o755);
    const policy = scratch.policy(`
  - id: no-shell
    effect: deny
    operations: [exec]
    paths: ["**/dash", "**/bash", "**/sh"]
`);
    const ran = scratch.run(['--policy', policy], [script]);
    expect(ran.status).toBe(126);
    expect(ran.stderr).toMatch(/denied exec/);
    expect(existsSync(join(scratch.workspace, 'ran'))).toBe(false);
  });
});

describe('state folder', () => {
  const notStarted = (options: string[]) => {
    const ran = scratch.run(options, ['sh', '-c', 'echo ran > ran']);
    expect(ran.status).toBe(125);
    expect(existsSync(join(scratch.workspace, 'ran'))).toBe(false);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
    return ran.stderr;
  };

  it('a state path that is a file, or cannot be made, starts nothing', () => {
    scratch.file('plain', '');
    expect(notStarted(['--state', join(scratch.root, 'plain')])).toMatch(/plain/);
    expect(notStarted(['--state', join(scratch.root, 'plain/below')])).toMatch(/plain/);
    expect(notStarted(['--state', '/proc/none'])).toMatch(/\/proc\/none/);
  });

  it('a bad policy or an unknown reviewer starts nothing', () => {
    const bad = scratch.file('bad.yaml', 'version: 1\ndefault: allow\nrules: []\n');
    expect(notStarted(['--policy', bad])).toMatch(/bad\.yaml:2:\d+/);
    expect(notStarted(['--reviewer', 'exec:/nonexistent/reviewer'])).toMatch(/reviewer/);
  });
});

it('keeps the state folder readable by its owner alone', () => {
  scratch.run(['--policy', scratch.policy('')], ['true']);
  const open = (folder: string): string[] =>
    [folder, ...readdirSync(folder).map((name) => join(folder, name))].flatMap((path) => {
      const stat = statSync(path);
      const below = stat.isDirectory() && path !== folder ? open(path) : [];
      return (stat.mode & 0o077) === 0 ? below : [path, ...below];
    });
  expect(readdirSync(scratch.state).length).toBeGreaterThan(2);
  expect(open(scratch.state)).toEqual([]);
});
