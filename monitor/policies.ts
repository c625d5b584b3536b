/**
 * Finds, reads and compiles a policy: a built-in one by its name, any other by its file.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inWords } from '../model/errno.ts';
import { type CompiledPolicy, compile } from '../model/policy/compile.ts';
import type { Environment } from '../model/policy/environment.ts';
import { PolicyError } from '../model/policy/errors.ts';
import { parsePolicy } from '../model/policy/schema.ts';
import { LIMITS, type Policy } from '../model/policy/source.ts';
import { type Bindings, withAliases } from './environment.ts';

export const BUILT_IN = ['workspace', 'read-only', 'observe'] as const;

const isBuiltIn = (name: string) => (BUILT_IN as readonly string[]).includes(name);

/**
 * Loads a policy by built-in name or by file. Bindings are completed with what the policy's prefixes resolve to
 * on this host; a whole environment (from a trace) is taken as it is. Throws PolicyError.
 */
export function loadPolicy(nameOrFile: string, where: Bindings | Environment): CompiledPolicy {
  const policy = readPolicy(nameOrFile);
  return compile(policy, 'aliases' in where ? where : withAliases(policy, where));
}

/** Reads and checks a policy without compiling it. Throws PolicyError. */
export function readPolicy(nameOrFile: string): Policy {
  if (isBuiltIn(nameOrFile)) return parsePolicy(textOf(builtInFile(nameOrFile)), nameOrFile);
  return parsePolicy(textOf(nameOrFile), nameOrFile);
}

/** The same place in the source tree and beside the compiled code. */
function builtInFile(name: string): string {
  return fileURLToPath(new URL(`../model/policy/builtin/${name}.yaml`, import.meta.url));
}

function textOf(file: string): string {
  const bytes = bytesOf(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refusal(file, 'the file is not text in UTF-8', 'a policy is a YAML text');
  }
}

/** At most one byte more than a policy may have: enough for parsePolicy to refuse it as too large. */
function bytesOf(file: string): Uint8Array {
  let fd: number;
  try {
    // Not blocking: a FIFO must be refused, not waited for.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const meant = BUILT_IN.find((name) => alike(name, file));
    const hint = `${meant === undefined ? '' : `did you mean ${meant}? `}give a file, or one of the built-in policies: ${BUILT_IN.join(', ')}`;
    throw refusal(
      file,
      code === 'ENOENT' ? 'there is no such policy file' : `the file cannot be read: ${inWords(error)}`,
      hint,
    );
  }
  try {
    if (!fstatSync(fd).isFile()) throw refusal(file, 'this is not an ordinary file', 'give a policy file');
    const buffer = new Uint8Array(LIMITS.fileBytes + 1);
    let size = 0;
    for (let got = -1; got !== 0 && size < buffer.length; size += got)
      got = readSync(fd, buffer, size, buffer.length - size, null);
    return buffer.subarray(0, size);
  } finally {
    closeSync(fd);
  }
}

function refusal(file: string, message: string, hint: string): PolicyError {
  return new PolicyError([{ file, line: null, column: null, message, hint }]);
}

/** Whether `typed` may be a slip for `name`: at most two letters more, less or other, whatever their case. */
function alike(name: string, typed: string): boolean {
  if (typed.length > name.length + 2) return false;
  const other = typed.toLowerCase();
  // The row of Levenshtein's table for the letters of `name` read so far.
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...name].entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j += 1)
      next.push(Math.min(row[j]! + (letter === other[j] ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    row = next;
  }
  return row[other.length]! <= 2;
}
