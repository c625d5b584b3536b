/** No core dump: the kernel would write what the subject chose to where it stands, past the gate. */
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './harness.ts';

const bench = new Bench();
afterAll(() => bench.dispose());

const asOthers = process.getuid?.() === 0 ? [undefined, 65534] : [undefined];

const PRELUDE = `
import ctypes, errno, os, resource, struct, sys
CORE = resource.RLIMIT_CORE; ANY = resource.RLIM_INFINITY
libc = ctypes.CDLL(None, use_errno=True)
def raw(number, *args):
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *args) < 0 else 0
def says(call):
    try: return call()
    except OSError as e: return errno.errorcode[e.errno]
    except ValueError as e: return 'not allowed'
def limits(soft, hard): return struct.pack('QQ', soft, hard)
SETRLIMIT, PRLIMIT = 160, 302
`;

describe.each(asOthers)('as user %s', (as) => {
  const python = (script: string) =>
    bench.run({ ...(as === undefined ? {} : { as }) }, 'python3', '-c', PRELUDE + script);

  it.each([
    ['as it started', ''],
    ['setrlimit', 'raw(SETRLIMIT, CORE, limits(2**64-1, 2**64-1)); raw(SETRLIMIT, CORE, limits(4096, 4096))'],
    ['prlimit', 'raw(PRLIMIT, 0, CORE, limits(2**64-1, 2**64-1), None)'],
    ['prlimit by its id', 'raw(PRLIMIT, os.getpid(), CORE, limits(2**64-1, 2**64-1), None)'],
    ['the soft limit', 'says(lambda: resource.setrlimit(CORE, (resource.getrlimit(CORE)[1],) * 2))'],
  ])('a process that aborts leaves no core: %s', (_name, attempt) => {
    const folder = join(bench.root, `dump${Math.random()}`);
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const ran = python(`${attempt}\nos.chdir('${folder}'); os.abort()`);
    expect(ran.end.signal).toBe(6);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('raising the limit fails, for oneself and for one’s children', () => {
    const ran = python(`child = os.fork()
if child == 0: import time; time.sleep(9)
for pid in 0, os.getpid(), child:
    print(raw(PRLIMIT, pid, CORE, limits(2, 2), None), raw(PRLIMIT, pid, CORE, limits(0, 2**64-1), None),
          raw(PRLIMIT, pid, CORE, limits(2, 1), None), raw(PRLIMIT, pid, CORE, 8, None))
print(raw(SETRLIMIT, CORE, limits(2, 2)), raw(SETRLIMIT, CORE, limits(0, 2**64-1)), raw(SETRLIMIT, CORE, None))
os.kill(child, 9)`);
    expect(ran.stdout).toBe(`${'EPERM EPERM EINVAL EFAULT\n'.repeat(3)}EPERM EPERM EFAULT\n`);
    expect(ran.denied).toEqual([]);
  });

  it('programs that give up dumps, as those with secrets do, go on', () => {
    const ran = python(`resource.setrlimit(CORE, (0, 0))
print(raw(SETRLIMIT, CORE, limits(0, 0)), max(resource.prlimit(os.getpid(), CORE, (0, 0))) <= 1)
print(raw(PRLIMIT, 0, CORE, None, limits(0, 0)), max(resource.getrlimit(CORE)) <= 1)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); print(resource.getrlimit(resource.RLIMIT_NOFILE))`);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe('0 True\n0 True\n(64, 64)\n');
    expect(ran.denied).toEqual([]);
  });
});
