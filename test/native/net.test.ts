/** Sockets under the hook, by effect: what works without it works under it, and what policy refuses does not. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench, type Pattern } from '../hook/harness.ts';

const bench = new Bench();
afterAll(() => bench.dispose());

const PRELUDE = `
import array, errno, os, select, signal, socket, struct, sys, threading, time
from socket import *
def says(call):
    try: return call()
    except OSError as e: return errno.errorcode.get(e.errno, e.errno)
def listener(family=AF_INET, address=('127.0.0.1', 0)):
    s = socket(family, SOCK_STREAM); s.bind(address); s.listen(4); return s
`;

/** Runs a Python script under the hook and returns what it printed. */
function python(script: string, plan: { as?: number; patterns?: readonly Pattern[]; review?: 'allow' } = {}) {
  return bench.run(plan, 'python3', '-c', PRELUDE + script);
}

/** What the script prints without the hook. */
function plainly(script: string): string {
  return spawnSync('python3', ['-c', PRELUDE + script], { cwd: bench.work, encoding: 'latin1' }).stdout;
}

/** Each prints what a peer or the caller sees. */
const SCRIPTS: readonly (readonly [string, string])[] = [
  [
    'a TCP echo',
    `s = listener()
c = socket(); c.connect(s.getsockname()); p, _ = s.accept()
c.sendall(b'hello'); print(p.recv(9)); print(c.getpeername() == s.getsockname())`,
  ],
  [
    'a non-blocking connect is in progress, then done',
    `s = listener()
c = socket(); c.setblocking(False); print(c.connect_ex(s.getsockname()) in (0, errno.EINPROGRESS))
select.select([], [c], [], 5); print(c.getsockopt(SOL_SOCKET, SO_ERROR))`,
  ],
  [
    'refused',
    `s = socket(); s.bind(('127.0.0.1', 0)); print(says(lambda: socket().connect(s.getsockname())))`,
  ],
  [
    'IPv6 and dual stack',
    `s = listener(AF_INET6, ('::', 0)); port = s.getsockname()[1]
for family, host in ((AF_INET6, '::1'), (AF_INET, '127.0.0.1'), (AF_INET6, '::ffff:127.0.0.1')):
  c = socket(family); c.connect((host, port)); print(s.accept()[1][0])`,
  ],
  [
    'any means this host',
    `s = listener(); c = socket(); c.connect(('0.0.0.0', s.getsockname()[1])); print(c.getpeername()[0])`,
  ],
  [
    'wrong families',
    `print(says(lambda: socket(AF_INET).connect_ex(('127.0.0.1', 1))))
import ctypes; libc = ctypes.CDLL(None, use_errno=True)
def raw(fd, address):
  r = libc.connect(fd, address, len(address)); return r if r == 0 else errno.errorcode[ctypes.get_errno()]
four, six = socket(AF_INET, SOCK_DGRAM), socket(AF_INET6, SOCK_DGRAM)
in4 = struct.pack('=HH4s8x', AF_INET, 0x3500, bytes([127, 0, 0, 1]))
in6 = struct.pack('=HHI16sI', AF_INET6, 0x3500, 0, bytes(15) + b'\\1', 0)
print(raw(four.fileno(), in6), raw(six.fileno(), in4), raw(four.fileno(), in4[:7]), raw(four.fileno(), b''))
print(raw(four.fileno(), struct.pack('=H14x', AF_UNSPEC)), raw(four.fileno(), bytes(200)), raw(99, in4), raw(1, in4))`,
  ],
  [
    'UDP: sendto, sendmsg, connected send',
    `r = socket(AF_INET, SOCK_DGRAM); r.bind(('127.0.0.1', 0)); to = r.getsockname()
c = socket(AF_INET, SOCK_DGRAM)
print(c.sendto(b'one', to), c.sendmsg([b'tw', b'o'], [], 0, to)); c.connect(to); print(c.send(b'three'), c.sendmsg([b'', b'four']))
print([r.recv(9) for _ in range(4)]); print(says(lambda: c.sendto(b'x' * 70000, to)))`,
  ],
  [
    'descriptors are passed',
    `a, b = socketpair(); r, w = os.pipe()
a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [w]))])
d, anc, *_ = b.recvmsg(9, 99); fd = array.array('i', anc[0][2])[0]; os.write(fd, b'through'); print(d, os.read(r, 9))
print(says(lambda: a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [77]))])))`,
  ],
  [
    'a unix server, absolute and relative',
    `import tempfile
d = tempfile.mkdtemp(); os.chdir(d); os.umask(0o077)
for name in (d + '/absolute', 'relative', './dotted', d + '/sub/../odd'):
  os.makedirs(d + '/sub', exist_ok=True)
  s = listener(AF_UNIX, name); print(s.getsockname() == name, oct(os.stat(name).st_mode & 0o777))
  c = socket(AF_UNIX); c.connect(name); print(c.getpeername() == name); c.sendall(b'x'); print(s.accept()[0].recv(1))
  print(says(lambda: listener(AF_UNIX, name)))
print(says(lambda: socket(AF_UNIX).connect('nothing')), says(lambda: socket(AF_UNIX).connect('sub')))
print(says(lambda: listener(AF_UNIX, 'no/where')), says(lambda: listener(AF_UNIX, '')) is not None)
import shutil; shutil.rmtree(d)`,
  ],
  [
    'a unix server in /proc/self/cwd',
    `import tempfile
d = tempfile.mkdtemp(); os.chdir(d); s = listener(AF_UNIX, '/proc/self/cwd/here'); print(os.listdir(d))
c = socket(AF_UNIX); c.connect('/proc/self/cwd/here'); print(s.accept()[1]); import shutil; shutil.rmtree(d)`,
  ],
  [
    'abstract names',
    `s = listener(AF_UNIX, b'\\0portcullis-test'); c = socket(AF_UNIX); c.connect(b'\\0portcullis-test')
print(c.getpeername()); s.close(); print(says(lambda: socket(AF_UNIX).connect(b'\\0portcullis-test')))`,
  ],
  [
    'unix datagrams',
    `import tempfile
d = tempfile.mkdtemp(); s = socket(AF_UNIX, SOCK_DGRAM); s.bind(d + '/s')
c = socket(AF_UNIX, SOCK_DGRAM); c.bind(d + '/c'); print(c.sendto(b'hi', d + '/s')); m, a = s.recvfrom(9); print(m, a == d + '/c')
import shutil; shutil.rmtree(d)`,
  ],
  [
    'multiprocessing over its own unix sockets',
    `from multiprocessing import Manager
m = Manager(); l = m.list(); l.append(7); print(list(l)); m.shutdown()`,
  ],
  [
    'a large blocking sendmsg is sent whole',
    `a, b = socketpair(); got = []
def drain():
  n = 0
  while n < 5 << 20: n += len(b.recv(65536))
  got.append(n)
t = threading.Thread(target=drain); t.start(); print(a.sendmsg([b'x' * (3 << 20), b'y' * (2 << 20)])); t.join(); print(got)`,
  ],
  [
    'a full socket: again, or waits',
    `a, b = socketpair(); a.setblocking(False)
try:
  while True: a.sendmsg([b'x' * 4096])
except BlockingIOError: print('again')
a.setblocking(True); t = threading.Timer(0.3, lambda: b.recv(1 << 20)); t.start(); print(a.sendmsg([b'y' * 100])); t.join()`,
  ],
  [
    'a closed pipe of a socket kills, or says so',
    `a, b = socketpair(); b.close()
print(says(lambda: a.sendmsg([b'x']))); pid = os.fork()
if pid == 0:
  signal.signal(signal.SIGPIPE, signal.SIG_DFL); a.sendmsg([b'x']); os._exit(3)
print(os.waitpid(pid, 0)[1])
pid = os.fork()
if pid == 0:
  signal.signal(signal.SIGPIPE, signal.SIG_DFL)
  try: a.sendmsg([b'x'], [], MSG_NOSIGNAL)
  except BrokenPipeError: os._exit(4)
print(os.waitpid(pid, 0)[1] >> 8)`,
  ],
  [
    'netlink',
    `import socket as m; print([n for _, n in m.if_nameindex() if n == 'lo']); print(getaddrinfo('localhost', 80, AF_INET, SOCK_STREAM)[0][4])`,
  ],
  [
    'credentials of the sender',
    `a, b = socketpair(AF_UNIX, SOCK_DGRAM); b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1); a.sendmsg([b'x'])
anc = b.recvmsg(9, 99)[1]; print(struct.unpack('3i', anc[0][2])[1:] == (os.getuid(), os.getgid()))
print(a.sendmsg([b'x'], [(SOL_SOCKET, SCM_CREDENTIALS, struct.pack('3i', os.getpid(), os.getuid(), os.getgid()))]))`,
  ],
];

describe('works as without the hook', () => {
  it.each(SCRIPTS)('%s', (_name, script) => {
    const ran = python(script);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe(plainly(script));
    expect(ran.denied).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)('all of that as an ordinary user', () => {
    const scripts = JSON.stringify(SCRIPTS.map(([, script]) => script));
    const all = `here = os.getcwd()\nfor script in ${scripts}:\n    os.chdir(here); exec(script, dict(globals())); sys.stdout.flush()`;
    const ran = python(all, { as: 65534 });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe(plainly(all));
    expect(ran.denied).toEqual([]);
  });
});

describe('sendmmsg', () => {
  const SENDMMSG = `
import ctypes; libc = ctypes.CDLL(None, use_errno=True)
class Iov(ctypes.Structure): _fields_ = [('base', ctypes.c_char_p), ('len', ctypes.c_size_t)]
class Hdr(ctypes.Structure): _fields_ = [('name', ctypes.c_char_p), ('namelen', ctypes.c_uint), ('iov', ctypes.POINTER(Iov)), ('iovlen', ctypes.c_size_t), ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int), ('pad', ctypes.c_int), ('sent', ctypes.c_uint), ('end', ctypes.c_uint)]
def mm(s, *messages):
    hs = (Hdr * len(messages))()
    for h, (port, data, *host) in zip(hs, messages):
        h.iov = ctypes.pointer(Iov(data, len(data))); h.iovlen = 1
        if port: h.name = struct.pack('=H', AF_INET) + struct.pack('>H', port) + bytes([127, 0, 0, *(host or [1])]) + b'zzzzzzzz'; h.namelen = 16
    r = libc.sendmmsg(s.fileno(), hs, len(messages), 0)
    return r if r >= 0 else errno.errorcode[ctypes.get_errno()], [h.sent for h in hs]
r1, r2 = (socket(AF_INET, SOCK_DGRAM) for _ in range(2))
for r in r1, r2: r.bind(('127.0.0.1', 0))
p1, p2 = r1.getsockname()[1], r2.getsockname()[1]
c = socket(AF_INET, SOCK_DGRAM)
`;

  it('sends two questions over a connected socket, as resolvers do', () => {
    const ran = python(
      `${SENDMMSG}c.connect(('127.0.0.1', p1)); print(mm(c, (0, b'A?'), (0, b'AAAA?'))); print(r1.recv(9), r1.recv(9))`,
    );
    expect(ran.stdout).toBe("(2, [2, 5])\nb'A?' b'AAAA?'\n");
  });

  it('is one event with one address: the messages to another are left to the next call', () => {
    const ran = python(
      `${SENDMMSG}print(mm(c, (p1, b'a'), (p1, b'bb'), (p2, b'c'), (p1, b'd'))); print(r1.recv(9), r1.recv(9))`,
    );
    expect(ran.stdout).toBe("(2, [1, 2, 0, 0])\nb'a' b'bb'\n");
    expect(ran.decided.filter((entry) => entry.event.operation === 'send')).toHaveLength(1);
  });

  it('sends nothing to a refused address that hides behind others', () => {
    const script = `${SENDMMSG}r2.close(); r2 = socket(AF_INET, SOCK_DGRAM); r2.bind(('0.0.0.0', 0)); r2.setblocking(False); p2 = r2.getsockname()[1]
print(mm(c, (p1, b'ok'), (p2, b'secret', 2))[0], mm(c, (p2, b'secret', 2), (p1, b'ok'))[0]); print(says(lambda: r2.recv(9)))`;
    const ran = python(script, { patterns: [{ text: 'ffff7f000002', effect: 'deny' }] });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe('1 EACCES\nEAGAIN\n');
  });
});

describe('what policy says', () => {
  const script = (operation: string) => `
s = listener(); u = socket(AF_INET, SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.settimeout(0.2)
print(says(lambda: ${operation}), says(lambda: u.recv(9)))`;

  it.each([
    ['connect', 'socket().connect(s.getsockname())', 'connect\0', 'tcp\0'],
    ['send', "socket(AF_INET, SOCK_DGRAM).sendto(b'x', u.getsockname())", 'send\0', 'udp\0'],
    ['sendmsg', "socket(AF_INET, SOCK_DGRAM).sendmsg([b'x'], [], 0, u.getsockname())", 'send\0', 'udp\0'],
    ['fast open is a connect', "socket().sendto(b'x', MSG_FASTOPEN, s.getsockname())", 'connect\0', 'tcp\0'],
  ])('denied: %s', (_name, operation, text) => {
    const ran = python(`MSG_FASTOPEN = 0x20000000\n${script(operation)}`, {
      patterns: [{ text, effect: 'deny' }],
    });
    expect(ran.stdout).toMatch(/^EACCES /);
    expect(ran.stdout).not.toContain("b'x'");
    expect(ran.decided.filter((entry) => entry.verdict === 'deny')).toHaveLength(1);
  });

  it('names the address', () => {
    const ran = python(
      `socket(AF_INET, SOCK_DGRAM).connect(('10.1.2.3', 53)); socket(AF_INET6, SOCK_DGRAM).connect(('::1', 7))`,
    );
    const objects = ran.decided
      .filter((entry) => entry.event.operation === 'connect')
      .map((entry) => entry.event.object);
    expect(objects).toEqual([
      { kind: 'address', protocol: 'udp', address: '00000000000000000000ffff0a010203', port: 53 },
      { kind: 'address', protocol: 'udp', address: '00000000000000000000000000000001', port: 7 },
    ]);
  });

  it('judges 0.0.0.0 and :: as the loopback that they reach', () => {
    const ran = python(
      `s = listener(AF_INET6, ('::', 0)); port = s.getsockname()[1]
for f, a in (AF_INET, '0.0.0.0'), (AF_INET6, '::'), (AF_INET6, '::ffff:0.0.0.0'): print(says(lambda: socket(f).connect((a, port))))`,
      {
        patterns: [
          { text: 'connect\0', effect: 'allow' },
          { text: 'ffff7f000001', effect: 'deny' },
          { text: `${'0'.repeat(31)}1\0`, effect: 'deny' },
        ],
      },
    );
    expect(ran.stdout).toBe('EACCES\nEACCES\nEACCES\n');
  });

  it('sees a unix socket by the name of what is reached, whatever link leads there', () => {
    const ran = python(
      `s = listener(AF_UNIX, 'real'); os.symlink('real', 'alias'); print(says(lambda: socket(AF_UNIX).connect('alias')))`,
      {
        patterns: [
          { text: `unix\0${join(bench.work, 'real')}`, effect: 'deny' },
          { text: 'bind', effect: 'deny' },
        ].slice(0, 1) as Pattern[],
      },
    );
    expect(ran.stdout + ran.stderr).toMatch(/EACCES|PermissionError/);
  });

  it('binds where it judged, however fast a folder on the way is exchanged', () => {
    // Every event waits for the monitor's answer, so that much happens between judgement and use.
    const ran = bench.run(
      { decideHere: false, review: 'allow' },
      'python3',
      '-c',
      `${PRELUDE}
os.mkdir('open'); os.mkdir('secret'); os.symlink('open', 'd'); stop = False
def exchange():
    while not stop:
        for to in ('secret', 'open'):
            os.symlink(to, 'new'); os.rename('new', 'd')
t = threading.Thread(target=exchange); t.start()
for i in range(100): socket(AF_UNIX).bind('d/%d' % i)
stop = True; t.join()
for folder in 'open', 'secret':
    for name in os.listdir(folder): print(os.path.abspath(folder + '/' + name))`,
    );
    const judged = ran.entries.flatMap((entry) =>
      entry.kind === 'review' && entry.event.object.kind === 'unix' ? [entry.event.object.path] : [],
    );
    expect(ran.stderr).toBe('');
    expect(ran.stdout.split('\n').slice(0, -1).sort()).toEqual(judged.sort());
    expect(judged).toHaveLength(100);
  });

  it('keeps the hook serving others while a connection waits for its peer', () => {
    const ran = python(`s = socket(); s.bind(('127.0.0.1', 0)); s.listen(0)
full = []
for _ in range(4):
    c = socket(); c.setblocking(False); c.connect_ex(s.getsockname()); full.append(c)
def stuck():
    c = socket(); c.settimeout(None); says(lambda: c.connect(s.getsockname()))
t = threading.Thread(target=stuck, daemon=True); t.start(); time.sleep(0.3)
for _ in range(200): open('/dev/null').close()
print(t.is_alive()); sys.stdout.flush(); os._exit(0)`);
    expect(ran.stdout).toBe('True\n');
  });

  it('gives way to a signal while it waits, as the kernel does', () => {
    const ran = python(`s = socket(); s.bind(('127.0.0.1', 0)); s.listen(0)
for _ in range(4):
    c = socket(); c.setblocking(False); c.connect_ex(s.getsockname()); globals()['k%d' % _] = c
class Alarm(Exception): pass
def ring(*_): raise Alarm
signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.3)
try: socket().connect(s.getsockname())
except Alarm: print('rang')`);
    expect(ran.stdout).toBe('rang\n');
  });

  it('refuses families that it does not judge', () => {
    const ran = python(`print(says(lambda: socket(AF_VSOCK, SOCK_STREAM).connect((2, 1234))))`);
    if (!/EAFNOSUPPORT/.test(ran.stdout)) expect(ran.stdout).toBe('EACCES\n');
  });
});
