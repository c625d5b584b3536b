/** Runs a command as an ordinary user: as root through setpriv, otherwise as it is. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';

export const NOBODY = 65534;
export const isRoot = process.getuid?.() === 0;

/** True where everyone may pass every folder on the way. */
export function reachable(path: string): boolean {
  return (statSync(path).mode & 0o005) === 0o005 && (path === '/' || reachable(dirname(path)));
}

const DROP = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];

export function asOrdinaryUser(
  command: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): SpawnSyncReturns<string> {
  const [program, ...rest] = isRoot ? [...DROP, ...command] : [...command];
  return spawnSync(program!, rest, { ...options, encoding: 'utf8', timeout: 60_000 });
}
