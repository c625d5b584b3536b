/** Objects reached through another process's /proc entry, removed files, and terminals: judged as what they are. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from './gate.ts';

let scratch: Scratch;
let outsider: ChildProcess | undefined;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  outsider?.kill('SIGKILL');
  outsider = undefined;
  scratch.dispose();
});

const python = (lines: string[]) => ['/usr/bin/python3', '-c', lines.join('\n')];

/** Tries to open each path; prints `opened` or the error for each. */
const tryAll = (paths: string, flags: string) =>
  python([
    'import glob, os',
    `for p in ${paths}:`,
    `  try: os.close(os.open(p, ${flags})); print("opened", p)`,
    '  except OSError as e: pass',
    'print("end")',
  ]);

it('a memory file and a pipe of an outsider are not the command’s own', async () => {
  outsider = spawn(
    '/usr/bin/python3',
    [
      '-c',
      'import os, time\nm = os.memfd_create("box"); os.write(m, b"SECRET"); r, w = os.pipe(); print(os.getpid(), m, r, w, flush=True); time.sleep(60)',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const [line] = (await once(outsider.stdout!, 'data')) as [Buffer];
  const [pid, ...descriptors] = line.toString().trim().split(' ');
  const paths = JSON.stringify(descriptors.map((fd) => `/proc/${pid}/fd/${fd}`));
  for (const flags of ['os.O_RDONLY | os.O_NONBLOCK', 'os.O_RDWR | os.O_NONBLOCK'])
    expect(scratch.run(['--policy', 'workspace', '--quiet'], tryAll(paths, flags)).stdout).toBe('end\n');
});

it('nothing behind the monitor’s own descriptors can be opened, whatever the policy', () => {
  const policy = scratch.policy('  - id: all\n    effect: allow\n    operations: [read, write]\n');
  for (const flags of ['os.O_RDONLY | os.O_NONBLOCK', 'os.O_WRONLY | os.O_NONBLOCK'])
    expect(
      scratch.run(
        ['--policy', policy, '--quiet'],
        tryAll('[f"/proc/{os.getppid()}/fd/{n}" for n in range(64)]', flags),
      ).stdout,
    ).toBe('end\n');
});

it('the command’s own pipes and memory files stay its own', () => {
  const ran = scratch.run(
    ['--policy', 'workspace'],
    python([
      'import os',
      'm = os.memfd_create("mine"); os.write(m, b"x"); r, w = os.pipe()',
      'print(open(f"/proc/self/fd/{m}").read(), os.open(f"/proc/self/fd/{w}", os.O_WRONLY) > 0)',
    ]),
  );
  expect(ran.stdout).toBe('x True\n');
});

it('a removed file is still judged by the name it had', () => {
  scratch.file('workspace/secret', 'KEY');
  const policy = scratch.policy(
    `  - id: no-secret\n    effect: deny\n    operations: [read]\n    paths: ["${scratch.workspace}/secret"]\n`,
  );
  const ran = scratch.run(
    ['--policy', policy, '--quiet'],
    python([
      'import os',
      'f = os.open("secret", os.O_PATH); os.unlink("secret")',
      'try: print(open(f"/proc/self/fd/{f}").read())',
      'except PermissionError: print("denied")',
    ]),
  );
  expect(ran.stdout).toBe('denied\n');
});
