/** When something around the command line is broken: what it is loaded from, where it writes, what it is told. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateRoot } from '../../monitor/state.ts';
import { BIN, type Ran, Scratch } from '../live/gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** A shell line with `$P` for the launcher. */
function shell(line: string, env: NodeJS.ProcessEnv = {}): Ran {
  const ran = spawnSync('bash', ['-c', line], {
    cwd: scratch.workspace,
    env: { ...scratch.env(), P: BIN, ...env },
    encoding: 'utf8',
  });
  return { status: ran.status, signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr };
}

describe('an installation that is not whole', () => {
  function install(main: string | null): string {
    const bin = join(scratch.folder('place/bin'), 'portcullis');
    copyFileSync(BIN, bin);
    if (main !== null) scratch.file('place/dist/cli/main.js', main);
    return bin;
  }
  it.each([
    ['nothing built', null],
    ['a package is missing', "import 'no-such-package-of-portcullis';"],
    ['a module is missing', 'import "./gone.js";'],
    ['a module of another build', "import { gone } from 'node:fs';"],
    ['half a module', 'export function main() {'],
    ['no main at all', ''],
  ])('%s: one line that says how to mend it', (_name, main) => {
    const bin = install(main);
    for (const [args, status] of [
      [['run', '--', 'touch', 'ran'], 125],
      [['doctor'], 2],
    ] as const) {
      const ran = spawnSync(bin, args, { cwd: scratch.workspace, encoding: 'utf8' });
      expect(ran.stderr).toMatch(/^portcullis: [^\n]+npm run setup\n$/);
      expect(ran.status).toBe(status);
    }
    expect(existsSync(join(scratch.workspace, 'ran'))).toBe(false);
  });
});

describe('output that cannot be written', () => {
  it.each(['--help', 'doctor', 'verify --list', 'policy check workspace'])(
    '%s: is said, and the status is 2',
    (args) => {
      const ran = shell(`$P ${args} >/dev/full`);
      expect(ran.stderr).toBe('portcullis: the output cannot be written: no space is left on its device\n');
      expect(ran.status).toBe(2);
    },
  );
  it('a slow reader of a non-blocking pipe gets all of it', () => {
    const args = ['policy', 'explain', '--policy', 'workspace', 'exec', '/bin/sh', 'a'.repeat(9000)];
    const whole = scratch.cli(...args);
    expect(whole.stdout.length).toBeGreaterThan(5000);
    const slow = spawnSync(
      '/usr/bin/python3',
      [
        '-c',
        `import fcntl, os, subprocess, sys, time
r, w = os.pipe()
fcntl.fcntl(w, 1031, 4096)  # F_SETPIPE_SZ
fcntl.fcntl(w, fcntl.F_SETFL, os.O_NONBLOCK)
child = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(3)
while piece := os.read(r, 4096):
  sys.stdout.buffer.write(piece)
sys.exit(child.wait())`,
        BIN,
        ...args,
      ],
      { cwd: scratch.workspace, env: scratch.env(), encoding: 'utf8' },
    );
    expect(slow.stderr).toBe('');
    expect(slow.status).toBe(0);
    expect(slow.stdout).toBe(whole.stdout);
  });
});

describe('a home folder that is none', () => {
  it.each(['', 'relative'])('HOME=%j: the one of the user database is meant', (HOME) => {
    const { homedir } = userInfo();
    const ran = shell('$P policy explain --json --policy workspace write "~/.ssh/x"', { HOME });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      verdict: 'deny',
      object: { path: join(homedir, '.ssh/x') },
    });
    expect(stateRoot({ HOME })).toBe(join(homedir, '.local/state/portcullis'));
  });
});

describe('what a folder that is gone says', () => {
  it('run, explain: plain words', () => {
    for (const args of ['run -- true', 'policy explain --policy workspace read x']) {
      const ran = shell(`mkdir g && cd g && rmdir ../g && $P ${args}`);
      expect(ran.stderr).toMatch(/^portcullis: the current folder does not exist any more[^\n]*\n$/);
      expect(ran.status).toBe(args.startsWith('run') ? 125 : 2);
    }
  });
});

describe('policy check --json', () => {
  it('prints what is wrong as JSON', () => {
    scratch.file('workspace/bad.yaml', 'version: 1\ndefault: allow\nrules:\n  - id: x\n    efect: deny\n');
    const ran = shell('$P policy check --json bad.yaml');
    expect(ran.status).toBe(2);
    expect(ran.stderr).toBe('');
    const { ok, errors } = JSON.parse(ran.stdout) as { ok: boolean; errors: Record<string, unknown>[] };
    expect(ok).toBe(false);
    expect(errors.map(({ line }) => line)).toEqual(expect.arrayContaining([2, 5]));
    for (const error of errors)
      expect(Object.keys(error).sort()).toEqual(['column', 'file', 'hint', 'line', 'message']);
  });
  it('a file that is not there has no line', () => {
    const ran = shell('$P policy check --json gone.yaml');
    expect(ran.status).toBe(2);
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, errors: [{ file: 'gone.yaml', line: null }] });
  });
});

describe('a trace', () => {
  it('never replaces what is there, and nothing is executed then', () => {
    const kept = scratch.file('workspace/kept', 'mine\n');
    const ran = scratch.run(['--trace', kept], ['touch', 'ran']);
    expect(ran.status).toBe(125);
    expect(ran.stderr).toMatch(/kept exists; name another file or remove it\n$/);
    expect(readFileSync(kept, 'utf8')).toBe('mine\n');
    expect(existsSync(join(scratch.workspace, 'ran'))).toBe(false);
    expect(statSync(kept).mode & 0o777).toBe(0o644);
  });
});

describe('approve', () => {
  it('tells a run that takes no reviews from one that is none', () => {
    expect(scratch.run([], ['true']).status).toBe(0);
    const ended = scratch.cli('approve', '--state', scratch.state);
    expect(ended.status).toBe(0);
    expect(ended.stdout).toMatch(/this run has ended, or has no --reviewer human/);
    expect(scratch.cli('approve', '--allow', '1', '--state', scratch.state).status).toBe(1);
  });
});

it('a command whose exec is denied under both its names is told of once', () => {
  const policy = scratch.policy(
    '  - id: no-tac\n    effect: deny\n    operations: [exec]\n    paths: ["**/tac"]\n',
  );
  const ran = shell(`PATH=/usr/bin:/bin:/usr/bin $P run --policy ${policy} --state ${scratch.state} -- tac`, {
    PATH: process.env.PATH,
  });
  expect(ran.stderr.match(/denied exec/g)?.length).toBe(1);
  expect(
    scratch.rows().filter(({ verdict, operation }) => operation === 'exec' && verdict === 'deny').length,
  ).toBeGreaterThan(1);
});

it('a run killed while one review waits: one event waits', async () => {
  const gate = scratch.start(
    ['--reviewer', 'exec:cat >/dev/null', '--deadline', '60s'],
    ['sh', '-c', 'echo up; mkdir ../outside/made'],
  );
  const ended = once(gate, 'exit');
  await once(gate.stdout!, 'data');
  // The review is put on record before it is asked.
  for (let tries = 0; tries < 100; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    if (/outside\/made/.test(scratch.cli('audit', 'show', scratch.state).stdout)) break;
  }
  gate.kill('SIGKILL');
  await ended;
  expect(scratch.cli('audit', 'verify', scratch.state).stdout).toMatch(/ 1 event waits for a verdict\./);
});
