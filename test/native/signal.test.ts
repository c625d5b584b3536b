/** Signals under the hook, by effect: free within the subject, refused toward the monitor, judged toward others. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Bench, type Pattern } from '../hook/harness.ts';

const bench = new Bench();
afterAll(() => bench.dispose());

const outsiders: ChildProcess[] = [];
afterEach(() => {
  for (const outsider of outsiders.splice(0)) outsider.kill('SIGKILL');
});

/** A process of the test's own, in a group of its own. */
function outsider(): number {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  outsiders.push(child);
  return child.pid!;
}

/** A process of the test's own in a group of its own, in a session that the subject shares. */
async function loner(): Promise<number> {
  const script = 'import os, time; os.setpgid(0, 0); print(flush=True); time.sleep(60)';
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  outsiders.push(child);
  await once(child.stdout!, 'data');
  return child.pid!;
}

/** Whether an outsider has survived: a zombie has not, and node may not have heard of its end yet. */
function lives(pid: number): boolean {
  return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

/** The TCP ports that a process listens on. */
function listening(pid: number): number[] {
  const own = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && own.includes(`socket:[${fields[9]}]`))
      .map((fields) => Number.parseInt(fields[1]!.split(':')[1]!, 16)),
  );
}

const PRELUDE = `
import ctypes, errno, os, signal, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def says(call):
    try: return call()
    except OSError as e: return errno.errorcode[e.errno]
def raw(number, *args):
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *args) < 0 else 0
got = []
signal.signal(signal.SIGUSR1, lambda *_: got.append('usr1'))
TKILL, TGKILL, QUEUE, TGQUEUE = 200, 234, 129, 297
monitor = os.getppid()
`;

function python(script: string, patterns: readonly Pattern[] = []) {
  return bench.run({ patterns }, 'python3', '-c', PRELUDE + script);
}

const DENY_SIGNALS: readonly Pattern[] = [{ text: 'signal\0', effect: 'deny' }];

describe('within the subject', () => {
  it.each([
    [
      'to itself, in every way',
      `me = os.getpid()
os.kill(me, 10); raw(TKILL, me, 10); raw(TGKILL, me, me, 10); signal.raise_signal(10)
fd = os.pidfd_open(me); signal.pidfd_send_signal(fd, 0); print(got, says(lambda: os.kill(me, 99)))`,
      "['usr1', 'usr1', 'usr1', 'usr1'] EINVAL\n",
    ],
    [
      'to children and their groups',
      `c = subprocess.Popen(['sleep', '9']); c.terminate(); print(c.wait())
c = subprocess.Popen(['sleep', '9'], start_new_session=True); os.killpg(c.pid, 15); print(c.wait())
c = subprocess.Popen(['sleep', '9']); signal.pidfd_send_signal(os.pidfd_open(c.pid), 9); print(c.wait())`,
      '-15\n-15\n-9\n',
    ],
    [
      'to an orphan that the monitor adopted',
      `r, w = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid(); time.sleep(0.2); os.write(w, str(os.getpid()).encode()); os.execvp('sleep', ['sleep', '9'])
    os._exit(0)
os.wait(); pid = int(os.read(r, 9)); print(os.stat('/proc/%d' % pid).st_uid == os.getuid()); os.kill(pid, 9)
for _ in range(100):
    if says(lambda: os.kill(pid, 0)) == 'ESRCH': print('gone'); break
    time.sleep(0.02)
else: print(open('/proc/%d/stat' % pid).read().split()[2])`,
      'True\ngone\n',
    ],
    [
      'to nobody',
      `print(says(lambda: os.kill(2 ** 22 - 1, 9)), says(lambda: os.killpg(2 ** 22 - 1, 9)))`,
      'ESRCH ESRCH\n',
    ],
  ])('%s', (_name, script, stdout) => {
    const ran = python(script, DENY_SIGNALS);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe(stdout);
    expect(ran.decided.filter((entry) => entry.event.operation === 'signal')).toEqual([]);
  });
});

describe('toward the monitor', () => {
  it.each([
    ['kill', 'says(lambda: os.kill(monitor, 9))'],
    [
      'kill of one of its threads',
      "says(lambda: os.kill(int(os.listdir('/proc/%d/task' % monitor)[-1]), 9))",
    ],
    ['tgkill', 'raw(TGKILL, monitor, monitor, 9)'],
    ['tkill', 'raw(TKILL, monitor, 9)'],
    ['a queued signal', 'raw(QUEUE, monitor, 9, ctypes.create_string_buffer(128))'],
    ['a pidfd', 'says(lambda: signal.pidfd_send_signal(os.pidfd_open(monitor), 9))'],
  ])('%s is refused', (_name, call) => {
    const ran = python(`print(${call}); print(says(lambda: os.kill(monitor, 0)))`);
    expect(ran.stdout).toBe('EPERM\nNone\n');
    expect(ran.status).toBe(0);
    expect(ran.decided.filter((entry) => entry.verdict === 'deny').map((entry) => entry.reason)).toEqual([
      'the target is the monitor itself',
    ]);
  });

  it('a group shared with it is reached but for the monitor', () => {
    const ran = python(`c = subprocess.Popen(['sleep', '9']); os.kill(0, 10); print(c.wait(), got)`);
    expect(ran.stdout).toBe("-10 ['usr1']\n");
    expect(ran.status).toBe(0);
  });
});

describe('the monitor', () => {
  it.each([
    ['bystanders', 'USR2 IO PROF VTALRM ALRM PWR STKFLT RTMIN RTMIN+1 RTMAX'],
    ['the inspector', 'USR1'],
  ])('is not harmed by signals that mean nothing to it: %s', async (_name, names) => {
    const driver = bench.start({}, 'bash', '-c', 'echo ready; sleep 2; echo end');
    const said = { out: '', err: '' };
    driver.stdout!.on('data', (text) => {
      said.out += text;
    });
    driver.stderr!.on('data', (text) => {
      said.err += text;
    });
    const ended = once(driver, 'exit');
    await once(driver.stdout!, 'data');
    for (const name of names.split(' ')) spawnSync('bash', ['-c', `kill -${name} ${driver.pid}`]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(listening(driver.pid!)).toEqual([]);
    expect(await ended).toEqual([0, null]);
    expect(said).toEqual({ out: 'ready\nend\n', err: '' });
  });

  it('gives its command the dispositions that a shell would', () => {
    const ran = bench.run({}, 'cat', '/proc/self/status');
    const sets = ran.stdout.match(/^Sig(Blk|Ign|Cgt):.*$/gm);
    expect(sets).toEqual(['Blk', 'Ign', 'Cgt'].map((name) => `Sig${name}:\t${'0'.repeat(16)}`));
  });
});

describe('a group', () => {
  it('that the caller joins while its signal is under way is not reached', async () => {
    const pid = await loner();
    // The group is the racer's own when the call is made, and the outsider's when the kernel would look.
    const ran = python(`import random
other = ${pid}; signal.signal(signal.SIGUSR2, signal.SIG_IGN); go = threading.Semaphore(0); moved = threading.Semaphore(0)
def move():
    while True:
        go.acquire(); time.sleep(random.random() * 0.004); os.setpgid(0, other); moved.release()
threading.Thread(target=move, daemon=True).start()
for _ in range(150):
    os.setpgid(0, 0); go.release(); raw(62, 0, 12); moved.acquire()
print('done'); sys.stdout.flush(); os._exit(0)`);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe('done\n');
    expect(lives(pid)).toBe(true);
  });

  it.each([
    ['caught', 'TERM', '-c', '0', 'cleaned\n'],
    ['caught, in a group of its own', 'TERM', '-mc', '-$$', 'cleaned\n'],
  ])('is reached as it was when the call was made: %s', (_name, signal, option, group, stdout) => {
    const script = `trap 'sleep 0.1 && echo cleaned; exit 0' ${signal}; sleep 5 & kill -${signal} -- ${group}; wait`;
    const own = option === '-mc' ? ['setsid', '-w'] : [];
    const ran = bench.run({}, ...own, 'bash', '-c', script);
    expect(ran.stdout).toBe(stdout);
    expect(ran.status).toBe(0);
  });

  it('is killed with all that it forks meanwhile', () => {
    const ran = python(`
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    for _ in range(20):
        if os.fork() == 0: time.sleep(9); os._exit(0)
    time.sleep(9)
time.sleep(0.5); print(says(lambda: os.killpg(pid, 9)), os.waitstatus_to_exitcode(os.wait()[1]))
time.sleep(0.6); print(says(lambda: os.killpg(pid, 9)))`);
    expect(ran.stdout).toBe('None -9\nESRCH\n');
  });
});

describe('other acts on the monitor', () => {
  it.each([
    ['a CPU limit', 'resource.prlimit(monitor, resource.RLIMIT_CPU, (1000, 1000))', 'EPERM'],
    ['a look at its limits', 'resource.prlimit(monitor, resource.RLIMIT_CPU)[0] != 0', 'True'],
    ['its affinity', 'os.sched_setaffinity(monitor, {0})', 'EPERM'],
    ['its scheduling', 'os.sched_setscheduler(monitor, os.SCHED_IDLE, os.sched_param(0))', 'EPERM'],
    ['its priority', 'os.setpriority(os.PRIO_PROCESS, monitor, 19)', 'EPERM'],
    ['the priority of the group it is in', 'os.setpriority(os.PRIO_PGRP, 0, 19)', 'EPERM'],
    ['the priority of all its user has', 'os.setpriority(os.PRIO_USER, 0, 19)', 'EPERM'],
    ['signals of a pipe', 'fcntl.fcntl(0, fcntl.F_SETOWN, monitor)', 'EPERM'],
    ['signals of a pipe, named in memory', 'fcntl.fcntl(0, 15, struct.pack("ii", 1, monitor))', 'EPERM'],
    ['signals of a socket', 'fcntl.ioctl(0, 0x8901, struct.pack("i", monitor))', 'EPERM'],
  ])('%s', (_name, call, stdout) => {
    const ran = python(`import fcntl, resource, struct\nprint(says(lambda: ${call}))`);
    expect(ran.stdout).toBe(`${stdout}\n`);
  });

  it('are free toward oneself and one’s own', () => {
    const ran = python(`import fcntl, resource
c = subprocess.Popen(['sleep', '9']); r, w = os.pipe()
for pid in 0, os.getpid(), c.pid:
    os.sched_setaffinity(pid, {0}); os.setpriority(os.PRIO_PROCESS, pid, 5); resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
fcntl.fcntl(r, fcntl.F_SETOWN, os.getpid()); fcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK); c.kill()`);
    expect(ran.stderr).toBe('');
    expect(ran.denied).toEqual([]);
  });
});

describe('signals of a descriptor', () => {
  it.each([
    ['are not switched on', 'fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)'],
    ['are not switched on by ioctl', "fcntl.ioctl(r, 0x5452, struct.pack('i', 1))"],
    ['are not of one’s choice', 'fcntl.fcntl(r, 10, 9)'],
    ['come from no hang-up', 'fcntl.ioctl(os.openpty()[0], 0x5437)'],
  ])('%s', (_name, call) => {
    const ran = python(`import fcntl, struct\nr, w = os.pipe(); print(says(lambda: ${call}))`);
    expect(ran.stdout).toBe('EPERM\n');
  });

  it('are not switched on by opening', () => {
    const path = bench.file('async', 'x');
    const ran = python(`import fcntl
for call in lambda: os.open('${path}', os.O_RDWR | os.O_ASYNC), lambda: os.open('${path}', os.O_CREAT | os.O_RDWR | os.O_ASYNC):
    print(fcntl.fcntl(call(), fcntl.F_GETFL) & os.O_ASYNC)
import struct; how = struct.pack('QQQ', os.O_ASYNC, 0, 0)
print(fcntl.fcntl(libc.syscall(437, -100, b'${path}', how, 24), fcntl.F_GETFL) & os.O_ASYNC)`);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe('0\n0\n0\n');
  });

  it('at a terminal do not reach the monitor', () => {
    // The monitor and its command are the terminal's foreground group; what is typed would signal both.
    const inner = `import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
try: fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
except OSError: pass
print('ready', flush=True); time.sleep(0.5); print('alive', flush=True)`;
    const { stdout, status } = bench.onTerminal('typed\n', inner);
    expect(stdout).toContain('alive');
    expect(status).toBe(0);
  });
});

describe('toward others', () => {
  it('is judged, by the executable of the target', () => {
    const pid = outsider();
    const denied = python(`print(says(lambda: os.kill(${pid}, 15)), os.kill(${pid}, 0))`, DENY_SIGNALS);
    expect(denied.stdout).toBe('EPERM None\n');
    expect(
      denied.decided.filter((entry) => entry.verdict === 'deny').map((entry) => entry.event.object),
    ).toEqual([{ kind: 'process', pid, path: expect.stringMatching(/sleep|coreutils/) }]);
    expect(lives(pid)).toBe(true);
  });

  it('arrives when it is allowed', async () => {
    const pid = outsider();
    const ended = new Promise((resolve) => outsiders[0]!.once('exit', (_code, signal) => resolve(signal)));
    expect(python(`print(says(lambda: os.kill(${pid}, 15)))`).stdout).toBe('None\n');
    expect(await ended).toBe('SIGTERM');
  });

  it('a group of others is out of reach, and so is everyone else', () => {
    const pid = outsider();
    const ran = python(`print(says(lambda: os.killpg(${pid}, 9)))
c = subprocess.Popen(['sleep', '9']); print(says(lambda: os.kill(-1, 15)), c.wait())`);
    expect(ran.stdout).toBe('EPERM\nNone -15\n');
    expect(ran.decided.filter((entry) => entry.verdict === 'deny')).toMatchObject([
      {
        reason: 'a way of acting on a process outside the command that the hook does not mediate',
        event: { object: { kind: 'process', pid } },
      },
    ]);
    expect(ran.status).toBe(0);
    expect(lives(pid)).toBe(true);
  });
});
