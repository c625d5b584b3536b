/** The real `bin/portcullis`: help, versions, exit statuses, clear errors. Needs the built program (npm run setup). */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin/portcullis');
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(ROOT, '.scratch-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function portcullis(...args: string[]) {
  return start(BIN, args);
}

function start(program: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const ran = spawnSync(program, args, {
    cwd: scratch,
    env: { ...process.env, XDG_STATE_HOME: join(scratch, 'xdg'), ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (ran.error !== undefined) throw ran.error;
  return ran;
}

const EXPLAIN = ['policy', 'explain', '--policy', 'workspace'];
const COMMANDS = [
  'run',
  'replay',
  'verify',
  'audit verify',
  'audit show',
  'policy check',
  'policy explain',
  'approve',
  'doctor',
];

describe('help', () => {
  it('lists every command', () => {
    const { stdout, status } = portcullis('--help');
    expect(status).toBe(0);
    for (const command of COMMANDS) expect(stdout).toContain(`\n  ${command.split(' ')[0]}`);
  });
  it.each(COMMANDS)('%s has help with examples and exit statuses, without touching anything', (command) => {
    const { stdout, stderr, status } = portcullis(...command.split(' '), '--help');
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`portcullis ${command}`);
    expect(stdout).toMatch(/Examples?:/);
    expect(stdout).toMatch(/Exit status/);
    expect(stdout).toContain('--debug');
    // Colours and control characters are for terminals.
    expect(stdout).not.toMatch(/\x1b/);
  });
});

it('help COMMAND is COMMAND --help', () => {
  for (const command of COMMANDS)
    expect(portcullis('help', ...command.split(' ')).stdout).toBe(
      portcullis(...command.split(' '), '--help').stdout,
    );
});

it('--version prints the version of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(portcullis('--version').stdout).toBe(`${version}\n`);
});

it('works through a symbolic link, and through a link to a link', () => {
  symlinkSync(BIN, join(scratch, 'one'));
  symlinkSync('one', join(scratch, 'two'));
  for (const name of ['one', 'two']) expect(start(join(scratch, name), ['--version']).status).toBe(0);
});

describe('an error is one clear line and no stack trace', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['no command', [], 2, /Usage/],
    ['unknown command', ['frobnicate'], 2, /unknown command 'frobnicate'/],
    ['unknown option', ['doctor', '--frobnicate'], 2, /unknown option '--frobnicate'/],
    ['run: nothing to run', ['run'], 125, /missing required argument/],
    ['run: unknown option', ['run', '--frobnicate', '--', 'touch', 'ran'], 125, /unknown option/],
    ['run: bad deadline', ['run', '--deadline', 'soon', '--', 'touch', 'ran'], 125, /--deadline: 'soon'/],
    ['run: bad hook', ['run', '--hook', 'none', '--', 'touch', 'ran'], 125, /--hook: 'none'/],
    ['run: bad reviewer', ['run', '--reviewer', 'oracle', '--', 'touch', 'ran'], 125, /--reviewer.*oracle/],
    ['run: bad fast path', ['run', '--fast-path', 'x', '--', 'touch', 'ran'], 125, /--fast-path: 'x'/],
    [
      'run: no such workspace',
      ['run', '--workspace', 'gone', '--', 'touch', 'ran'],
      125,
      /--workspace: gone/,
    ],
    ['run: no such policy', ['run', '--policy', 'gone.yaml', '--', 'touch', 'ran'], 125, /gone\.yaml/],
    ['run: bad state', ['run', '--state', '/proc/nowhere', '--', 'touch', 'ran'], 125, /state folder/],
    [
      'run: bad trace',
      ['run', '--trace', 'no/such/folder/t', '--', 'touch', 'ran'],
      125,
      /no\/such\/folder\/t/,
    ],
    ['run: a folder as the policy', ['run', '--policy', '.', '--', 'touch', 'ran'], 125, /ordinary file/],
    ['run: an empty state', ['run', '--state', '', '--', 'touch', 'ran'], 125, /--state: the value is empty/],
    ['run: an empty workspace', ['run', '--workspace=', '--', 'touch', 'ran'], 125, /--workspace: .*empty/],
    ['run: an empty trace', ['run', '--trace', '', '--', 'touch', 'ran'], 125, /--trace: the value is empty/],
    [
      'run: a reviewer that does not wait to be asked',
      ['run', '--reviewer', 'exec:yes', '--', 'touch', 'ran'],
      125,
      /wrote before it was asked/,
    ],
    ['explain: an empty object', [...EXPLAIN, 'read', ''], 2, /object is empty/],
    ['explain: an empty subject', [...EXPLAIN, '--subject', '', 'read', 'x'], 2, /--subject: .*empty/],
    ['explain: a process id', [...EXPLAIN, 'signal', '123'], 2, /executable of the process/],
    ['approve: no such run', ['approve', '--run', 'gone'], 2, /no run 'gone'/],
    ['approve: a run elsewhere', ['approve', '--run', '../..'], 2, /no run/],
    ['approve: no such state', ['approve', '--state', '/gone'], 2, /--state: \/gone/],
    ['approve: no state folder', ['approve', '--state', '/'], 2, /not the state folder/],
    ['help: unknown command', ['help', 'run2'], 2, /unknown command 'run2'/],
    ['audit: an empty folder name', ['audit', 'verify', ''], 2, /dir is empty/],
    ['replay: a folder', ['replay', '.'], 2, /it is a folder; name a file/],
    ['policy check: a slip', ['policy', 'check', 'Workspce'], 2, /did you mean workspace\?/],
    ['verify: bad seed', ['verify', '--seed', 'x'], 2, /--seed: 'x'/],
    ['verify: unknown property', ['verify', '--only', 'x'], 2, /no property 'x'/],
    ['verify: a path alone', ['verify', '--path', '0:1'], 2, /--only/],
    ['audit verify: no folder', ['audit', 'verify', 'gone'], 2, /gone/],
    ['replay: no trace', ['replay', 'gone'], 2, /gone/],
    ['policy check: no file', ['policy', 'check', 'gone.yaml'], 2, /gone\.yaml/],
  ];
  it.each(cases)('%s', (_name, args, status, message) => {
    const ran = portcullis(...args);
    expect(ran.stderr).toMatch(message);
    expect(ran.status).toBe(status);
    expect(ran.stderr).not.toMatch(/^\s+at /m);
    expect(ran.stderr).not.toMatch(/\bE[A-Z]{4,}\b|uv_|:1:1:/);
    expect(existsSync(join(scratch, 'ran'))).toBe(false);
  });
  it('--debug shows where it came from', () => {
    expect(portcullis('run', '--deadline', 'soon', '--debug', '--', 'true').stderr).toMatch(/^\s+at /m);
  });
  it('a policy with mistakes: each with file, line and column; nothing runs', () => {
    writeFileSync(
      join(scratch, 'bad.yaml'),
      'version: 1\ndefault: allow\nrules:\n  - id: x\n    efect: deny\n',
    );
    const ran = portcullis('run', '--policy', 'bad.yaml', '--', 'touch', 'ran');
    expect(ran.status).toBe(125);
    expect(ran.stderr).toMatch(/bad\.yaml:2:\d+/);
    expect(ran.stderr).toMatch(/bad\.yaml:5:\d+/);
    expect(existsSync(join(scratch, 'ran'))).toBe(false);
  });
});

describe('doctor', () => {
  it('says what the host offers, for people and for programs', () => {
    const text = portcullis('doctor');
    const json = portcullis('doctor', '--json');
    const found = JSON.parse(json.stdout) as { hook: string | null; facts: { name: string; ok: boolean }[] };
    expect(text.status).toBe(json.status);
    expect(json.status).toBe(found.hook === null ? 1 : 0);
    expect(found.facts.length).toBeGreaterThan(5);
    for (const { name } of found.facts) expect(text.stdout).toContain(name);
  });
});

describe('verify', () => {
  it('--list names every property with its promise', () => {
    const { stdout, status } = portcullis('verify', '--list', '--json');
    expect(status).toBe(0);
    const listed = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; promise: string; sentence: string });
    for (const promise of ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8'])
      expect(
        listed.some((property) => property.promise.includes(promise)),
        promise,
      ).toBe(true);
  });
  it('the same seed checks the same cases', () => {
    const { stdout, status } = portcullis('verify', '--runs', '3', '--seed', '5', '--json');
    expect(status).toBe(0);
    for (const line of stdout.trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ ok: true, seed: 5 });
  });
});

it('a reader that stops reading ends the program quietly', () => {
  const ran = start('bash', ['-c', `set -o pipefail; "${BIN}" --help | head -1`]);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toMatch(/^Usage/);
});

describe('audit verify says how a trail stands', () => {
  /** The state folder of a run that has ended. */
  const ended = (name: string): string => {
    const state = join(scratch, name);
    expect(portcullis('run', '--state', state, '--', 'true').status).toBe(0);
    return state;
  };
  const verify = (...args: string[]) => portcullis('audit', 'verify', ...args);
  const TRAIL = 'trail/000001.jsonl';

  it('intact after a run, with and without --closed', () => {
    const state = ended('whole');
    for (const args of [[state], ['--closed', state], [join(state, 'trail')]]) {
      const { stdout, status } = verify(...args);
      expect(stdout).toMatch(/^intact \d+ records/);
      expect(status).toBe(0);
    }
  });

  it.each<[string, (state: string) => void]>([
    ['emptied', (state) => writeFileSync(join(state, TRAIL), '')],
    ['cut within its first record', (state) => truncateSync(join(state, TRAIL), 100)],
    ['removed', (state) => rmSync(join(state, TRAIL))],
    ['removed with its folder', (state) => rmSync(join(state, 'trail'), { recursive: true })],
  ])('a trail %s beside the traces of a run is tampered with, and no run continues it', (name, change) => {
    const state = ended(`gone ${name}`);
    change(state);
    const found = verify(state);
    expect(found.stdout).toMatch(
      /^TAMPERED .*holds no whole record, yet run\.json, policy\.yaml.* beside it/,
    );
    expect(found.status).toBe(1);
    const again = portcullis('run', '--state', state, '--', 'touch', 'ran');
    expect(again.stderr).toMatch(/holds no whole record/);
    expect(again.status).toBe(125);
    expect(existsSync(join(scratch, 'ran'))).toBe(false);
    expect(verify(state).status).toBe(1);
  });

  it('a trail rolled back by a whole run is tampered with, because run.json names that run', () => {
    const state = ended('rolled');
    const before = readFileSync(join(state, TRAIL));
    ended('rolled');
    expect(verify(state).stdout).toMatch(/^intact .* 2 runs/);
    writeFileSync(join(state, TRAIL), before);
    expect(verify(state).stdout).toMatch(/^TAMPERED .*run\.json beside the trail names run/);
    expect(portcullis('run', '--state', state, '--', 'true').status).toBe(125);
  });

  it('a run without its end is unfinished, which --closed refuses', () => {
    const state = ended('unfinished');
    const lines = readFileSync(join(state, TRAIL), 'utf8').trimEnd().split('\n');
    writeFileSync(join(state, TRAIL), `${lines.slice(0, -1).join('\n')}\n`);
    const found = verify(state);
    expect(found.stdout).toMatch(/^unfinished \d+ records/);
    expect(found.stdout).not.toContain('intact');
    expect(found.status).toBe(0);
    expect(verify('--closed', state).status).toBe(1);
    expect(JSON.parse(verify('--json', state).stdout)).toMatchObject({ ok: true, standing: 'unfinished' });
    // A process that is alive holds the lock: the run may still end.
    const stat = readFileSync('/proc/self/stat', 'latin1');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    writeFileSync(join(state, 'lock'), JSON.stringify({ pid: process.pid, started, boot }), { mode: 0o600 });
    expect(verify(state).stdout).toMatch(/^going on/);
    expect(verify('--closed', state).status).toBe(1);
  });
});
