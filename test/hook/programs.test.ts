/** Real programs do under the hook what they do without it. */
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './harness.ts';

const bench = new Bench();
afterAll(() => bench.dispose());

const asOthers = process.getuid?.() === 0 ? [undefined, 65534] : [undefined];

/** Output and status with and without the hook. */
function both(script: string, as?: number) {
  const plain = spawnSync('bash', ['-c', script], {
    cwd: bench.work,
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const gated = bench.run(as === undefined ? {} : { as, env: { HOME: bench.work } }, 'bash', '-c', script);
  return { plain, gated };
}

describe.each(asOthers)('as user %s', (as) => {
  it.each([
    ['true', 'true'],
    ['status', 'exit 7'],
    ['a missing file', 'cat /nowhere/at/all; cat ./nothing'],
    ['listing', 'ls /usr | head -3; ls -d /'],
    ['here-document and process substitution', 'cat <<< here; cat <(echo a) <(echo b)'],
    [
      'standard streams by name',
      'echo x | cat /dev/stdin /proc/self/fd/0; echo out >> /dev/stdout; echo e >&2',
    ],
    ['own process', 'cat /proc/self/comm; tr "\\0" " " < /proc/self/cmdline; readlink /proc/self/exe'],
    ['python', "python3 -c \"import json, subprocess; print(subprocess.check_output(['echo', 'x']))\""],
    ['loader', '/lib64/ld-linux-x86-64.so.2 /bin/echo by the loader'],
    [
      'script arguments',
      'd=$(mktemp -d); printf "#!/bin/sh -e\\necho \\$0 \\$# \\"\\$@\\"" > $d/s; chmod +x $d/s; cd $d; ./s "a b" "" c; rm -r $d',
    ],
    ['no such command', 'surely-no-such-command'],
    ['not executable', 'd=$(mktemp -d); touch $d/x; cd $d; ./x; echo $?; rm -r $d'],
  ])('%s', (_name, script) => {
    const { plain, gated } = both(script, as);
    const settle = (text: string) => text.replaceAll(/tmp\.\w+/g, 'tmp');
    expect(settle(gated.stdout)).toBe(settle(plain.stdout));
    expect(settle(gated.stderr)).toBe(settle(plain.stderr));
    expect(gated.status).toBe(plain.status);
  });

  it('git and a compiler work in a fresh repository', () => {
    const ran = bench.run(
      { ...(as === undefined ? {} : { as }), env: { HOME: bench.work } },
      'bash',
      '-ec',
      `d=$(mktemp -d); cd $d; git init -q; git config user.email a@b; git config user.name n
       printf 'int main(){return 42;}' > m.c; git add m.c; git commit -qm first; git log --format=%s
       gcc m.c -o m; ./m || echo $?; rm -rf $d`,
    );
    expect(ran.stdout).toBe('first\n42\n');
    expect(ran.denied).toEqual([]);
  });
});

it('numbers every event once and its counters reconcile with the journal', () => {
  const ran = bench.run(
    { recordAll: true },
    'bash',
    '-c',
    'for i in 1 2 3; do cat /etc/passwd > f$i; done; rm f?',
  );
  const numbers = ran.decided.map((entry) => entry.event.n);
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  expect(ran.counters).toMatchObject({
    events: numbers.length,
    allowed: numbers.length,
    denied: 0,
    unrecorded: 0,
  });
});
