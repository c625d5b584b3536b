/** In a terminal of its own: the command sees the terminal, and the terminal's keys reach it. */
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BIN, Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** Runs the gate in a fresh pseudo-terminal, sends `keys` once the command has printed `ready`, and returns
 * what the terminal showed and the gate's wait status. */
function terminal(command: string[], keys: string): string {
  const script = `
import os, pty, sys, select, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(${JSON.stringify(BIN)}, ${JSON.stringify(['portcullis', ...scratch.arguments(['--policy', 'workspace'], command)])})
out = b""; sent = False; end = time.time() + 30
while time.time() < end:
    if not select.select([fd], [], [], 1)[0]: continue
    try: data = os.read(fd, 65536)
    except OSError: break
    if not data: break
    out += data
    if b"ready" in out and not sent: sent = True; time.sleep(0.2); os.write(fd, ${JSON.stringify(keys)}.encode())
status = os.waitpid(pid, 0)[1]
sys.stdout.buffer.write(out + b"\\nstatus %d" % os.waitstatus_to_exitcode(status))
`;
  const ran = spawnSync('python3', ['-c', script], {
    cwd: scratch.workspace,
    env: scratch.env(),
    encoding: 'utf8',
    timeout: 60_000,
  });
  return ran.stdout.replaceAll('\r', '') + ran.stderr;
}

it('the command has the terminal, its size and /dev/tty', () => {
  const out = terminal(
    [
      'sh',
      '-c',
      'test -t 0 && test -t 1 && test -t 2 && echo is a tty; echo through > /dev/tty; stty size | wc -w; exit 7',
    ],
    '',
  );
  expect(out).toMatch(/is a tty\nthrough\n2\n/);
  expect(out).toMatch(/status 7$/);
});

it('Ctrl-C reaches the command once and ends it by SIGINT', () => {
  const out = terminal(
    ['sh', '-c', 'trap "echo caught; exit 3" INT; echo ready; while :; do sleep 0.1; done'],
    '\u0003',
  );
  expect(out.match(/caught/g)?.length).toBe(1);
  expect(out).toMatch(/status 3$/);
  const plain = terminal(['sh', '-c', 'echo ready; exec sleep 20'], '\u0003');
  expect(plain).toMatch(/status 130$/);
});

it('typed lines reach the command', () => {
  expect(terminal(['sh', '-c', 'echo ready; read line; echo "got $line"'], 'hello\n')).toMatch(/got hello/);
});
