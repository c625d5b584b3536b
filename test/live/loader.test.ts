/** A program loader that an ELF image names is a program too. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** Compiles C; the program prints `ran`. */
function compiled(name: string, ...flags: string[]): string {
  const source = scratch.file(`${name}.c`, '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n');
  const program = join(scratch.root, name);
  const made = spawnSync('cc', ['-o', program, source, ...flags], { encoding: 'utf8' });
  expect(made.stderr).toBe('');
  return program;
}

it('a denied program does not run as the loader of an allowed one', () => {
  const denied = compiled('outside/denied', '-static-pie');
  compiled('workspace/carrier', `-Wl,--dynamic-linker=${denied}`);
  const policy = scratch.policy('');
  expect(scratch.run(['--policy', policy, '--quiet'], [denied]).status).toBe(126);
  const ran = scratch.run(['--policy', policy], ['./carrier']);
  expect(ran.stdout).toBe('');
  expect(ran.stderr).toMatch(/denied exec .*carrier/);
  expect(ran.status).not.toBe(0);
});

it('an allowed loader of one’s own works, and is judged', () => {
  const loader = join(scratch.workspace, 'ld.so');
  copyFileSync('/lib64/ld-linux-x86-64.so.2', loader);
  chmodSync(loader, 0o755);
  compiled('workspace/carrier', `-Wl,--dynamic-linker=${loader}`);
  const ran = scratch.run(['--policy', scratch.policy('')], ['./carrier']);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toBe('ran\n');
  expect(JSON.stringify(scratch.rows())).toContain('workspace/ld.so');
});
