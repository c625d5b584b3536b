/**
 * The gate without privileges: the same closed doors, and the same open ones, for an ordinary user. (How
 * such a user is had when the tests run as root: ordinary-user.ts.)
 */
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './gate.ts';
import { asOrdinaryUser, isRoot, NOBODY, reachable } from './ordinary-user.ts';

let base: string;
let checkout: string;

beforeAll(() => {
  base = mkdtempSync('/var/tmp/portcullis-unprivileged-');
  checkout = ROOT;
  if (isRoot && !reachable(ROOT)) {
    checkout = join(base, 'checkout');
    for (const part of ['bin', 'dist', 'build', 'package.json', 'node_modules'])
      cpSync(join(ROOT, part), join(checkout, part), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ['home/.ssh', 'workspace', 'outside']) mkdirSync(join(base, name), { recursive: true });
  writeFileSync(join(base, 'home/.ssh/id_rsa'), 'KEY');
  if (isRoot) {
    spawnSync('chown', [
      '-R',
      `${NOBODY}:${NOBODY}`,
      ...['home', 'workspace', 'outside'].map((n) => join(base, n)),
    ]);
    chownSync(base, NOBODY, NOBODY);
  }
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

function run(options: string[], command: string[]) {
  return asOrdinaryUser(
    [
      join(checkout, 'bin/portcullis'),
      'run',
      '--workspace',
      join(base, 'workspace'),
      ...options,
      '--',
      ...command,
    ],
    {
      cwd: join(base, 'workspace'),
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: join(base, 'home'), NO_COLOR: '1' },
    },
  );
}

describe('an ordinary user', () => {
  it('works freely in the workspace', () => {
    const ran = run(
      [],
      [
        'sh',
        '-c',
        'mkdir d && echo a > d/f && mv d/f d/g && cat d/g && ln -s g d/l && cat d/l && rm -r d && id -u && /usr/bin/python3 -c "print(1)"',
      ],
    );
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe(`a\na\n${isRoot ? NOBODY : process.getuid!()}\n1\n`);
  });
  it('cannot read a key or write a start-up file, by any of a few routes', () => {
    const ran = run(
      ['--quiet'],
      [
        'sh',
        '-c',
        'cat ~/.ssh/id_rsa; ln ~/.ssh/id_rsa k && cat k; ln -s ~/.ssh/id_rsa s; cat s; cp /bin/cat mycat; ./mycat ~/.ssh/id_rsa; ' +
          '/usr/bin/python3 -c "print(open(\\"$HOME/.ssh/id_rsa\\").read())"; echo x >> ~/.bashrc; mv ~/.ssh x; echo end',
      ],
    );
    expect(ran.stdout).toBe('end\n');
    expect(existsSync(join(base, 'home/.bashrc'))).toBe(false);
    expect(readFileSync(join(base, 'home/.ssh/id_rsa'), 'utf8')).toBe('KEY');
  });
  it('cannot kill, stop or trace the monitor', () => {
    const ran = run(
      ['--quiet'],
      [
        'sh',
        '-c',
        'kill -9 $PPID; kill -STOP $PPID; kill -9 0; /usr/bin/python3 -c "import os; os.kill(os.getppid(), 0)"; echo alive',
      ],
    );
    expect(ran.status === 0 || ran.status === 137).toBe(true);
  });
});
