/** `portcullis run` around its command: signals, streams, bytes, state, traces. By effect, through the real gate. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scratch } from '../live/gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** Resolves when the process has printed `text`. */
async function printed(child: ChildProcess, text: string): Promise<void> {
  let seen = '';
  for await (const chunk of child.stdout!) {
    seen += chunk;
    if (seen.includes(text)) return;
  }
  throw new Error(`ended without printing ${text}`);
}

describe('signals from outside', () => {
  const trapping = (signal: string) => [
    'sh',
    '-c',
    `trap 'echo caught >caught; sleep 0.3; exit 9' ${signal}; echo ready; while :; do sleep 0.05; done`,
  ];
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    '%s reaches the command, and the gate outlives it until the command has ended',
    async (signal) => {
      const gate = scratch.start([], trapping(signal.slice(3)));
      const exited = once(gate, 'exit');
      // stdout is read no further than the line; the command prints no more.
      await printed(gate, 'ready');
      gate.kill(signal);
      expect(await exited).toEqual([9, null]);
      expect(scratch.read('workspace/caught')).toBe('caught\n');
      expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
    },
  );
  it('a command that does not catch it ends by it, and the status says so', async () => {
    const gate = scratch.start([], ['sh', '-c', 'echo ready; exec sleep 30']);
    const exited = once(gate, 'exit');
    await printed(gate, 'ready');
    gate.kill('SIGTERM');
    expect(await exited).toEqual([128 + 15, null]);
  });
});

describe('what the command is given', () => {
  it('arguments and environment are the bytes that came in', () => {
    const ran = scratch.run(
      [],
      [
        'bash',
        '-c',
        // A gate within would be refused; the outer bash makes the bytes, the inner command shows them.
        `printf '%s' "$1" | od -An -tx1`,
        'x',
        'plain \u00e9\n"\'\\',
      ],
    );
    expect(ran.stdout.replace(/\s+/g, '')).toBe(Buffer.from('plain é\n"\'\\').toString('hex'));
  });
  it('standard streams stay blocking', () => {
    const ran = scratch.run(
      [],
      [
        '/usr/bin/python3',
        '-c',
        'import fcntl, os\nprint([fcntl.fcntl(f, fcntl.F_GETFL) & os.O_NONBLOCK for f in (0, 1, 2)])',
      ],
    );
    expect(ran.stdout).toBe('[0, 0, 0]\n');
  });
  it('no other descriptor is inherited', () => {
    const ran = scratch.run(
      [],
      ['/usr/bin/python3', '-c', 'import os\nprint(sorted(int(f) for f in os.listdir("/proc/self/fd")))'],
    );
    // The fourth is the listing itself.
    expect(ran.stdout).toBe('[0, 1, 2, 3]\n');
  });
});

describe('denials', () => {
  it('one line each on stderr, with the command that explains; none with --quiet', () => {
    const key = scratch.file('home/.ssh/id_rsa', 'KEY');
    const loud = scratch.run([], ['sh', '-c', 'cat ~/.ssh/id_rsa 2>/dev/null; echo $?']);
    expect(loud.stdout).toBe('1\n');
    const lines = loud.stderr.trimEnd().split('\n');
    expect(lines.length).toBe(1);
    expect(lines[0]).toMatch(
      /^portcullis: denied read \S+id_rsa by rule \S+ \(.+\); see: portcullis policy explain --policy workspace /,
    );
    expect(lines[0]).toContain(key);
    const explain = lines[0]!.split('; see: portcullis ')[1]!.split(' ');
    const explained = scratch.cli(...explain);
    expect(explained.stdout).toMatch(/deny/);
    expect(scratch.run(['--quiet'], ['cat', key]).stderr).not.toMatch(/portcullis: /);
  });
});

it('processes left behind are ended, and that is said', () => {
  const ran = scratch.run([], ['sh', '-c', 'sleep 300 & sleep 300 & echo $!']);
  expect(ran.status).toBe(0);
  expect(ran.stderr).toMatch(/2 processes that the command had left behind were ended/);
  expect(() => process.kill(Number(ran.stdout), 0)).toThrow(/ESRCH/);
});

it('state is its owner’s alone, below XDG_STATE_HOME, one folder for each run', () => {
  const args = ['run', '--workspace', scratch.workspace, '--', 'true'];
  for (let i = 0; i < 2; i += 1) expect(scratch.cli(...args).status).toBe(0);
  const root = join(scratch.root, 'xdg/portcullis');
  const runs = readdirSync(root);
  expect(runs.length).toBe(2);
  for (const run of runs) {
    expect(statSync(join(root, run)).mode & 0o777).toBe(0o700);
    for (const entry of readdirSync(join(root, run), { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        expect(statSync(join(entry.parentPath, entry.name)).mode & 0o077, entry.name).toBe(0);
  }
});

it('a policy file and a trace under way cannot be changed by the command, whatever the policy says', () => {
  const policy = scratch.file(
    'workspace/mine.yaml',
    'version: 1\ndefault: review\nrules:\n  - id: all\n    effect: allow\n    paths: ["/**", "pipe:*", "socket:*"]\n',
  );
  const trace = join(scratch.workspace, 'session.trace');
  const ran = scratch.run(
    ['--policy', policy, '--trace', trace],
    [
      'sh',
      '-c',
      'echo "#" >>mine.yaml; true >session.trace; rm -f session.trace mine.yaml; mv mine.yaml other; echo fine >other.yaml',
    ],
  );
  // Not at the start of lines: rm and mv write their own messages in pieces, and ours may come between two.
  expect(ran.stderr.match(/portcullis: denied /g)?.length).toBe(5);
  expect(readFileSync(policy, 'utf8')).not.toContain('#');
  expect(scratch.read('workspace/other.yaml')).toBe('fine\n');
  const replayed = scratch.cli('replay', trace);
  expect(replayed.stdout).toMatch(/identical/);
  expect(replayed.status).toBe(0);
});

describe('placement of the fast path', () => {
  it.each(['native', 'monitor', 'reviewer'])('%s: the same operations pass and fail', (place) => {
    scratch.file('home/.ssh/id_rsa', 'KEY');
    const ran = scratch.run(
      ['--fast-path', place],
      [
        'sh',
        '-c',
        'echo x >made; cat made; cat ~/.ssh/id_rsa 2>/dev/null; echo $?; mkdir ../outside/made 2>/dev/null; echo $?',
      ],
    );
    expect(ran.stdout).toBe('x\n1\n1\n');
    expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
  });
});
