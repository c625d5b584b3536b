/** Extended attributes: permissions under another name are judged as chmod; honest attributes work. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** Sets an ACL that opens the file to everyone, by every call that could. */
const OPEN_TO_ALL = (path: string) => `
import os, struct
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 7, 0xffffffff) for tag in (1, 4, 0x20))
path = ${JSON.stringify(path)}
def attempt(act):
    try: act(); print("done")
    except OSError as e: print(e.strerror)
attempt(lambda: os.setxattr(path, "system.posix_acl_access", acl))
attempt(lambda: os.setxattr(path, "system.posix_acl_access", acl, follow_symlinks=False))
attempt(lambda: os.setxattr(os.open(path, os.O_RDONLY), "system.posix_acl_access", acl))
attempt(lambda: os.removexattr(path, "user.mark"))
`;

it('an access control list is not changed where chmod is denied', () => {
  const kept = scratch.file('outside/kept', 'x', 0o600);
  const policy = scratch.policy(
    `  - id: look\n    effect: allow\n    operations: [read]\n    paths: ["${scratch.outside}/**"]\n`,
  );
  const ran = scratch.run(['--policy', policy, '--quiet'], ['/usr/bin/python3', '-c', OPEN_TO_ALL(kept)]);
  expect(ran.stdout).toBe('Permission denied\n'.repeat(4));
  expect(statSync(kept).mode & 0o777).toBe(0o600);
  expect(scratch.rows().filter((row) => row.operation === 'chmod' && row.verdict === 'deny').length).toBe(4);
});

it('in the workspace attributes behave as without the gate', () => {
  scratch.file('workspace/file', 'x');
  const script = `
import os
def attempt(act):
    try: print(act())
    except OSError as e: print(e.strerror)
attempt(lambda: os.setxattr("file", "user.mark", b"v" * 1000))
attempt(lambda: os.getxattr("file", "user.mark") == b"v" * 1000)
attempt(lambda: os.setxattr("file", "user.mark", b"", os.XATTR_CREATE))
attempt(lambda: os.setxattr("missing", "user.mark", b""))
attempt(lambda: os.setxattr("file", "user." + "n" * 300, b""))
attempt(lambda: os.setxattr("file", "nonsense", b""))
attempt(lambda: os.setxattr(os.open("file", os.O_PATH), "user.mark", b""))
attempt(lambda: os.removexattr(os.open("file", os.O_RDWR), "user.mark"))
attempt(lambda: os.removexattr("file", "user.mark"))
`;
  const bare = spawnSync('/usr/bin/python3', ['-c', script], { cwd: scratch.workspace, encoding: 'latin1' });
  const gated = scratch.run(['--policy', 'workspace'], ['/usr/bin/python3', '-c', script]);
  expect(gated.stderr).toBe('');
  expect(gated.stdout).toBe(bare.stdout);
});
