/** What is denied does not happen, by whichever route; what is allowed happens to the object that was judged. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './harness.ts';

const bench = new Bench();
afterAll(() => bench.dispose());

const SECRET = bench.file('SECRET', 'the secret\n');
const deny = [{ text: '/work/SECRET', effect: 'deny' as const }];

describe('a denied file stays unread by every route', () => {
  const routes: [string, string][] = [
    ['its name', 'cat SECRET'],
    ['an absolute name with detours', `cat ${bench.work}/../work/./SECRET`],
    ['a symbolic link', 'ln -s SECRET l1; cat l1; rm l1'],
    ['a hard link', 'ln SECRET l2; cat l2; rm -f l2'],
    ['a link in /proc/self/cwd', 'cat /proc/self/cwd/SECRET'],
    ['/proc/self/root', `cat /proc/self/root${bench.work}/SECRET`],
    ["another process's cwd", 'sleep 2 & cat /proc/$!/cwd/SECRET; kill $!'],
    ['a renamed folder entry', 'mv SECRET other; cat other'],
    ['the loader', '/lib64/ld-linux-x86-64.so.2 /bin/cat SECRET'],
    ['a copied program', 'cp /bin/cat c; ./c SECRET; rm c'],
    [
      'an O_PATH descriptor',
      `python3 -c "import os; fd = os.open('SECRET', os.O_PATH); print(open('/proc/self/fd/%d' % fd).read())"`,
    ],
    ['a dirfd', `python3 -c "import os; print(os.read(os.open('SECRET', 0, dir_fd=os.open('.', 0)), 99))"`],
    [
      'openat2',
      `python3 -c "
import ctypes, os, struct
libc = ctypes.CDLL(None)
how = struct.pack('QQQ', 0, 0, 0)
fd = libc.syscall(437, -100, b'SECRET', how, len(how))
print(fd, os.read(fd, 99) if fd >= 0 else '')"`,
    ],
    [
      'io_uring',
      `python3 -c "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 4, bytes(120)), ctypes.get_errno())"`,
    ],
    ['a name space of its own', 'unshare -rm cat SECRET; chroot / cat SECRET; true'],
  ];
  it.each(routes)('%s', (_name, script) => {
    const ran = bench.run({ patterns: deny }, 'bash', '-c', script);
    expect(ran.stdout).not.toContain('the secret');
    expect(readFileSync(SECRET, 'utf8')).toBe('the secret\n');
    expect(existsSync(join(bench.work, 'other'))).toBe(false);
  });
});

it('a swapped symbolic link never yields the denied file (the object judged is the object opened)', () => {
  bench.file('harmless', 'harmless\n');
  const ran = bench.run(
    { patterns: deny },
    'python3',
    '-c',
    `
import os, threading
stop = False
def swap():
    while not stop:
        for target in ('harmless', 'SECRET'):
            os.symlink(target, 'next'); os.rename('next', 'swapped')
t = threading.Thread(target=swap); os.symlink('harmless', 'swapped'); t.start()
seen = {}
for i in range(1500):
    try:
        got = open('swapped').read()
    except OSError as e:
        got = e.errno
    seen[got] = seen.get(got, 0) + 1
stop = True; t.join()
print(seen)`,
  );
  expect(ran.stdout).toContain('harmless');
  expect(ran.stdout).not.toContain('the secret');
  expect(ran.denied).toContain(`read ${SECRET}`);
});

it('a path rewritten in memory while the call waits never yields the denied file', () => {
  bench.file('HARMLE', 'harmless\n');
  const ran = bench.run(
    { patterns: deny },
    'python3',
    '-c',
    `
import ctypes, os, threading
buffer = ctypes.create_string_buffer(b'SECRET')
libc = ctypes.CDLL(None)
stop = False
def rewrite():
    while not stop:
        ctypes.memmove(buffer, b'HARMLE', 6); ctypes.memmove(buffer, b'SECRET', 6)
t = threading.Thread(target=rewrite); t.start()
seen = set()
for i in range(3000):
    fd = libc.open(buffer, 0)
    if fd >= 0:
        seen.add(os.read(fd, 99)); os.close(fd)
stop = True; t.join()
print(seen)`,
  );
  expect(ran.stdout).not.toContain('the secret');
});

describe('exec', () => {
  it('of a denied program does not run, by name, link, descriptor or thread', () => {
    bench.file('FORBIDDEN', readFileSync('/bin/echo'), 0o755);
    const ran = bench.run(
      {
        patterns: [
          { text: 'exec\0', effect: 'allow' },
          { text: '/work/FORBIDDEN', effect: 'deny' },
        ],
      },
      'bash',
      '-c',
      `./FORBIDDEN ran; ln -s FORBIDDEN f; ./f ran; exec 5< /dev/null
       python3 -c "
import os, threading
def go():
    try: os.execv('./FORBIDDEN', ['x', 'ran'])
    except OSError as e: print(e.errno)
t = threading.Thread(target=go); t.start(); t.join()
"`,
    );
    expect(ran.stdout).toBe('13\n');
  });

  it('judges the arguments and the script with its interpreter', () => {
    bench.file('tool', '#!/bin/sh\necho tool ran', 0o755);
    const byArgument = bench.run(
      { patterns: [{ text: 'sh\0-c\0echo evil', effect: 'deny' }] },
      'bash',
      '-c',
      'sh -c "echo evil"; sh -c "echo good"',
    );
    expect(byArgument.stdout).toBe('good\n');
    const byInterpreter = bench.run(
      { patterns: [{ text: 'dash\0/bin/sh', effect: 'deny' }] },
      'bash',
      '-c',
      './tool',
    );
    expect(byInterpreter.stdout).toBe('');
    const exec = bench
      .run({}, 'bash', '-c', './tool; true')
      .decided.find(({ event }) => event.object.kind === 'program' && event.object.interpreter);
    expect(exec?.event.object).toMatchObject({
      path: join(bench.work, 'tool'),
      interpreter: { argv: ['/bin/sh', './tool'] },
    });
  });

  // While the allowed exec waits for its answer, another thread makes the same memory say something else.
  it.each([
    ['the program', 'path', "b'evil'"],
    ['an argument', 'word', "b'EVIL ran'"],
  ])('kills what is not what was judged: %s changed', (_name, target, value) => {
    bench.file('good', readFileSync('/bin/echo'), 0o755);
    bench.file('evil', readFileSync('/bin/echo'), 0o755);
    const ran = bench.run(
      { patterns: [{ text: '/work/good', effect: 'review' }], review: 'slow' },
      'python3',
      '-c',
      `
import ctypes, os, threading, time
path = ctypes.create_string_buffer(b'./good'); word = ctypes.create_string_buffer(b'good ran')
argv = (ctypes.c_void_p * 3)(ctypes.addressof(path), ctypes.addressof(word), None)
libc = ctypes.CDLL(None)
pid = os.fork()
if pid == 0:
    def change():
        time.sleep(0.1)
        target = ${target}
        ctypes.memmove(ctypes.addressof(target) + (2 if target is path else 0), ${value}, len(${value}))
    threading.Thread(target=change).start()
    libc.execv(path, argv)
    os._exit(99)
print(os.waitpid(pid, 0)[1])`,
    );
    expect(ran.stdout).toBe('9\n');
    expect(ran.decided.at(-1)).toMatchObject({
      verdict: 'deny',
      layer: 'hook',
      event: { operation: 'exec' },
    });
  });

  it('runs from threads, with vfork, and from memory', () => {
    const ran = bench.run(
      {},
      'python3',
      '-c',
      `
import os, subprocess, threading
print(subprocess.run(['echo', 'spawned'], capture_output=True).stdout)
fd = os.memfd_create('m'); os.write(fd, open('/bin/echo', 'rb').read())
print(subprocess.run(['/proc/self/fd/%d' % fd, 'memory'], pass_fds=[fd], capture_output=True).stdout, flush=True)
t = threading.Thread(target=lambda: os.execv('/bin/echo', ['echo', 'thread'])); t.start(); t.join()`,
    );
    expect(ran.stdout).toBe("b'spawned\\n'\nb'memory\\n'\nthread\n");
    expect(ran.denied).toEqual([]);
  });
});

describe('reviews', () => {
  const review = [{ text: 'create\0', effect: 'deny' as const }].map((p) => ({
    ...p,
    effect: 'review' as const,
  }));

  it.each([
    ['allow', 0, true],
    ['deny', 1, false],
    ['never', 1, false],
    ['late', 1, false],
    ['hang', 1, false],
  ] as const)('answered %s', (answer, status, made) => {
    const name = `reviewed-${answer}`;
    const ran = bench.run(
      { patterns: review, review: answer, deadlineMs: 300 },
      'bash',
      '-c',
      `echo x > ${name}`,
    );
    expect(ran.status).toBe(status);
    expect(existsSync(join(bench.work, name))).toBe(made);
    expect(ran.counters).toMatchObject({ reviewed: 1, expired: made || answer === 'deny' ? 0 : 1 });
    expect(ran.answers.every((a) => a.accepted === (answer === 'allow' || answer === 'deny'))).toBe(true);
  });

  it('carry the arguments and working directory of the caller', () => {
    const ran = bench.run({ patterns: review }, 'touch', 'nothing', 'at all');
    const entry = ran.entries.find((e) => e.kind === 'review');
    expect(entry?.kind === 'review' && entry.event.subject).toMatchObject({
      argv: ['touch', 'nothing', 'at all'],
      cwd: bench.work,
    });
  });

  it('of one process do not delay another', () => {
    const ran = bench.run(
      { patterns: review, review: 'never', deadlineMs: 1500 },
      'bash',
      '-c',
      'touch waits & sleep 0.2; s=$(date +%s%N); for i in 1 2 3; do cat /etc/hostname >/dev/null; done; echo $((($(date +%s%N)-s)/1000000)); wait',
    );
    expect(Number(ran.stdout)).toBeLessThan(1000);
  });
});

it('a FIFO that waits for its other end delays nobody, and dies with its caller', () => {
  const ran = bench.run(
    {},
    'bash',
    '-c',
    'mkfifo ff; cat ff & sleep 0.1; cat /etc/hostname > /dev/null && echo free; kill -9 $!; wait $! ; echo $?; rm ff; mkfifo g; (sleep 0.1; echo through > g) & cat g',
  );
  expect(ran.stdout).toBe('free\n137\nthrough\n');
});

describe('names', () => {
  it('behave as the kernel says', () => {
    const script = `
import os
def tell(call, *a, **k):
    try: print(call.__name__, 'ok', call(*a, **k) is None)
    except OSError as e: print(call.__name__, e.errno)
os.makedirs('d/e', exist_ok=True); open('d/f', 'w').close(); os.symlink('loop', 'd/loop'); os.symlink('../d/new', 'd/dangling')
open('d/new\\nline', 'w').close(); open(b'd/\\xff\\xfe', 'w').close()
for name in ['', 'd', 'd/f/', 'd/f/x', 'd/loop', 'd/none', 'd/none/x', 'x' * 256, 'd/' + 'x' * 5000, './' * 2040 + 'd/f', './' * 2050 + 'd/f', 'd/./e/../f', 'd/new\\nline', b'd/\\xff\\xfe', '/..//../dev/null', '/proc/self/fd/99', '/proc/thread-self/comm', '/dev/fd/0']:
    for flags in [os.O_RDONLY, os.O_WRONLY, os.O_RDONLY | os.O_DIRECTORY, os.O_RDONLY | os.O_NOFOLLOW]:
        tell(os.open, name, flags)
for flags in [os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_NOFOLLOW, os.O_CREAT | os.O_DIRECTORY]:
    for name in ['d', 'd/', 'd/f', 'd/c/', 'd/loop', 'd/dangling', 'none/c', 'd/.', 'd/..']:
        tell(os.open, name, flags | os.O_WRONLY)
print(sorted(os.listdir('d')))
for name in ['', '.', '..', '/', 'd', 'd/f/', 'd/f', 'd/none', 'd/e/', 'd/loop/', 'd/e/.', 'd/e/..']:
    tell(os.rmdir, name); tell(os.unlink, name); tell(os.mkdir, name); tell(os.mknod, name); tell(os.symlink, 't', name)
    tell(os.rename, name, 'd/to'); tell(os.rename, 'd/to', name); tell(os.link, name, 'd/l'); tell(os.truncate, name, 0)
    if name != '/' and '..' not in name: tell(os.chmod, name, 0o700); tell(os.chown, name, -1, -1)
tell(os.fchmod, 99, 0); tell(os.fchown, 0, -1, -1); tell(os.mknod, 'd/pipe', 0o010600); tell(os.chmod, 'd/pipe', 0o4755); print(oct(os.stat('d/pipe').st_mode))
`;
    mkdirSync(join(bench.work, 'plain'));
    mkdirSync(join(bench.work, 'gated'));
    bench.file('names.py', script);
    const plain = spawnSync('python3', ['../names.py'], { cwd: join(bench.work, 'plain'), encoding: 'utf8' });
    const gated = bench.run({}, 'bash', '-c', 'cd gated && exec python3 ../names.py');
    expect(gated.stdout.split('\n')).toEqual(plain.stdout.split('\n'));
    expect(plain.stderr).toBe('');
  });

  it('honour the umask and modes of the caller', () => {
    bench.run({}, 'bash', '-c', 'umask 027; touch u1; mkdir u2; umask 0; touch u3; mkfifo -m 640 u4');
    const mode = (name: string) => (statSync(join(bench.work, name)).mode & 0o7777).toString(8);
    expect(['u1', 'u2', 'u3', 'u4'].map(mode)).toEqual(['640', '750', '666', '640']);
  });

  it('spell the own process as /proc/self and keep kernel names', () => {
    symlinkSync('/proc/self/status', join(bench.work, 'status'));
    const ran = bench.run(
      { recordAll: true },
      'bash',
      '-c',
      'cat status > /dev/null; echo x | cat /dev/fd/0',
    );
    const paths = ran.decided.map(({ event }) => (event.object.kind === 'path' ? event.object.path : ''));
    expect(paths).toContain('/proc/self/status');
    expect(paths.some((path) => /^pipe:\[\d+\]$/.test(path))).toBe(true);
  });
});

describe('the monitor', () => {
  it('cannot be reached through /proc or ptrace', () => {
    const ran = bench.run(
      {},
      'python3',
      '-c',
      `
import ctypes, os
up = os.getppid()
for name in ['mem', 'environ', 'fd', 'maps', 'task/%d/mem' % up]:
    try: os.open('/proc/%d/%s' % (up, name), os.O_RDONLY); print(name, 'open')
    except OSError as e: print(name, e.errno)
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, up, 0, 0), ctypes.get_errno())
open('/proc/%d/stat' % up).read()`,
    );
    expect(ran.status).toBe(0);
    expect(ran.stdout).not.toContain('open\n');
  });

  it('killed, lets nothing through any more', async () => {
    const child = bench.start(
      {},
      'bash',
      '-c',
      'echo up; sleep 0.6; echo x > after-death; cat /etc/hostname; echo "tried $?"',
    );
    let text = '';
    child.stdout!.on('data', (chunk) => {
      if (text === '') child.kill('SIGKILL');
      text += chunk;
    });
    await new Promise((resolve) => child.stdout!.on('close', resolve));
    expect(text.startsWith('up\n')).toBe(true);
    expect(text).toContain('tried');
    expect(text).not.toContain('tried 0');
    expect(existsSync(join(bench.work, 'after-death'))).toBe(false);
  });

  it('ends what the command left behind', () => {
    // A duration nobody else on the machine sleeps for.
    const sleep = `sleep 300.${process.pid}`;
    const ran = bench.run({}, 'bash', '-c', `setsid ${sleep} & (${sleep} &) ; exit 3`);
    expect(ran.status).toBe(3);
    expect(ran.end.leftovers).toBeGreaterThanOrEqual(1);
    expect(spawnSync('pgrep', ['-f', `^${sleep.replace('.', '[.]')}$`], { encoding: 'utf8' }).stdout).toBe(
      '',
    );
  });
});

it('observing records verdicts and lets everything through', () => {
  const ran = bench.run({ patterns: deny, observe: true, review: 'deny' }, 'cat', 'SECRET');
  expect(ran.stdout).toBe('the secret\n');
  expect(ran.decided.find((entry) => entry.verdict === 'deny')).toMatchObject({ enforced: false, rule: 0 });
});

it.skipIf(process.getuid?.() !== 0)('a process with other credentials than the monitor is denied', () => {
  const ran = bench.run(
    {},
    'bash',
    '-c',
    'setpriv --reuid=65534 --regid=65534 --clear-groups cat /etc/hostname; cat /etc/hostname > /dev/null && echo still',
  );
  expect(ran.stdout).toBe('still\n');
  expect(
    ran.decided.filter((entry) => entry.layer === 'hook' && entry.verdict === 'deny').length,
  ).toBeGreaterThan(0);
});
