/** The command's own input, output, exit status and signals; honest programs do what they do without the gate. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

describe('exit status', () => {
  const status = (command: string[]) => scratch.run(['--policy', 'workspace'], command).status;
  it('is the command’s own', () => {
    expect(status(['true'])).toBe(0);
    expect(status(['sh', '-c', 'exit 42'])).toBe(42);
    expect(status(['sh', '-c', 'kill -TERM $$'])).toBe(128 + 15);
    expect(status(['sh', '-c', 'kill -KILL $$'])).toBe(128 + 9);
  });
  it('is 127 for a command that is not there and 126 for one that cannot run', () => {
    expect(status(['no-such-command-anywhere'])).toBe(127);
    expect(status([scratch.file('workspace/plain.txt', 'text')])).toBe(126);
  });
});

it('passes stdin to the command and its bytes through', () => {
  const ran = scratch.run(['--policy', 'workspace'], ['cat'], 'a\0b\nc');
  expect(ran.stdout).toBe('a\0b\nc');
  expect(ran.stderr).toBe('');
});

/** Runs `script` with and without the gate in equal folders and compares output, status and resulting files. */
function same(script: string, policy = 'workspace'): void {
  const plain = scratch.folder('ungated/w'); // as long as the path of the workspace: git stores both lengths
  cpSync(scratch.workspace, plain, { recursive: true });
  const bare = spawnSync('bash', ['-c', script], {
    cwd: plain,
    env: { ...scratch.env(), HOME: scratch.folder('ungated/home') },
    encoding: 'latin1',
  });
  const gated = scratch.run(['--policy', policy], ['bash', '-c', script]);
  const neutral = (text: string) => text.replaceAll(plain, 'WS').replaceAll(scratch.workspace, 'WS');
  expect(neutral(gated.stderr)).toBe(neutral(bare.stderr));
  expect(neutral(gated.stdout)).toBe(neutral(bare.stdout));
  expect(gated.status).toBe(bare.status);
  expect(tree(scratch.workspace)).toEqual(tree(plain));
}

function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const mode = entry.isSymbolicLink() ? '' : (statSync(path).mode & 0o7777).toString(8);
      const content =
        entry.isFile() && !/^\.git|index|\.pyc$/.test(entry.name) ? readFileSync(path, 'latin1').length : '';
      return `${path.slice(folder.length)} ${mode} ${content}`;
    })
    .sort();
}

describe('honest work gives the same output, status and files', () => {
  it('files: umask, modes, links, renames, deletions, truncation, fifos', () =>
    same(`
umask 027; mkdir -p a/b; echo one > a/one; umask 077; echo two > a/two; umask 022
ln a/one a/hard; ln -s one a/soft; cat a/soft; mv a/two a/b/three; chmod 640 a/one; truncate -s 2 a/one; cat a/hard
rm a/b/three; rmdir a/b; ls -la a/nothing 2>&1; cat < /dev/null; echo append >> a/one
mkfifo pipe; (echo through > pipe) & cat pipe; wait
cat <(echo substituted) ; echo here <<X
X
mkdir dir; touch dir/x; rmdir dir 2>&1; mkdir dir 2>&1; : > dir 2>&1; cat dir 2>&1; ln -s loop loop; cat loop 2>&1; mv dir renamed; ls
`));
  it('python: subprocesses, threads, multiprocessing, sockets', () =>
    same(`/usr/bin/python3 - <<'X'
import subprocess, threading, multiprocessing, socket, os, tempfile
print(subprocess.run(["echo", "hi"], capture_output=True).stdout)
r = []
t = [threading.Thread(target=lambda i=i: r.append(open("/proc/self/status").readline())) for i in range(8)]
[x.start() for x in t]; [x.join() for x in t]; print(len(r), set(r))
def f(q): q.put(os.path.basename(os.readlink("/proc/self/exe")))
ctx = multiprocessing.get_context("fork"); q = ctx.Queue(); p = ctx.Process(target=f, args=(q,)); p.start(); print(q.get()[:6]); p.join()
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()
c.sendall(b"tcp"); print(a.recv(9))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.sendto(b"udp", u.getsockname()); print(u.recv(9)); v.sendmsg([b"u", b"dp2"], [], 0, u.getsockname()); print(u.recv(9))
x = socket.socket(socket.AF_UNIX); x.bind("sock"); x.listen(); y = socket.socket(socket.AF_UNIX); y.connect("sock"); z, _ = x.accept(); y.sendall(b"unix"); print(z.recv(9), x.getsockname())
print(socket.send_fds(y, [b"fd"], [0]), len(socket.recv_fds(z, 9, 3)[1]))
try: socket.create_connection(("127.0.0.1", 1))
except OSError as e: print(e.strerror)
with tempfile.TemporaryFile() as t: t.write(b"x"); print(t.tell())
X`));
  it('git: init, commit, branch, merge, clone over file', () =>
    same(`
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git init -q -b main repo && cd repo && echo 1 > f && git add . && git commit -qm one && git rev-parse HEAD
git checkout -qb side && echo 2 > g && git add . && git commit -qm two && git checkout -q main && git merge -q --no-edit side && git log --oneline && git gc -q && cd .. && git clone -q repo copy && cd copy && git status --short --branch
`));
  it('compiling and running, with make -j', () =>
    same(`
cat > a.c <<'X'
#include <stdio.h>
int other(void); int main(void) { printf("%d\\n", other()); return 3; }
X
echo 'int other(void) { return 42; }' > b.c
printf 'p: a.o b.o\\n\\tcc -o p a.o b.o\\n%%.o: %%.c\\n\\tcc -c $<\\n' > Makefile
make -s -j2 p && ./p; echo $?
`));
  it('node: worker threads and child processes', () =>
    same(`node -e '
const { Worker } = require("worker_threads"); const cp = require("child_process"); const fs = require("fs");
console.log(cp.execFileSync("echo", ["child"]).toString());
new Worker("require(\\"fs\\").writeFileSync(\\"w\\", \\"x\\"); require(\\"worker_threads\\").parentPort.postMessage(1)", { eval: true }).on("message", (m) => { console.log(m, fs.readFileSync("w", "utf8")); });
'`));
  it('a static program and a shell script with an interpreter', () =>
    same(`
echo 'int puts(const char *); int main(void) { puts("static"); }' > s.c && cc -static -w -o s s.c 2>/dev/null && ./s
printf '#!/usr/bin/env bash\\necho script "$@"' > t.sh; chmod +x t.sh; ./t.sh a "b c"; (cd / && "$OLDPWD/t.sh")
`));
});

it('observe records and never denies', () => {
  const secret = scratch.file('home/.ssh/id_ed25519', 'KEY');
  const ran = scratch.run(['--observe', '--policy', 'workspace'], ['cat', secret]);
  expect(ran.stdout).toBe('KEY');
  expect(ran.status).toBe(0);
  const row = scratch
    .rows()
    .find((row) => row.operation === 'read' && JSON.stringify(row.object).includes('id_ed25519'));
  expect(row?.verdict).toBe('deny');
});
