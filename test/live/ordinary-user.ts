/**
 * Runs a command as an ordinary user. As root it goes through setpriv; where the root folder itself is closed to
 * others (some sandboxes), through a fresh root folder that shows the same files, in a mount name space that
 * ends with the command.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';

export const NOBODY = 65534;
export const isRoot = process.getuid?.() === 0;

const isOpen = (folder: string) => (statSync(folder).mode & 0o005) === 0o005;

/** True where everyone may pass every folder on the way, the root folder aside. */
export function reachable(path: string): boolean {
  return path === '/' || (isOpen(path) && reachable(dirname(path)));
}

const DROP = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];

const FRESH_ROOT = `
set -e
new=$(mktemp -d); mount -t tmpfs -o mode=755 none "$new"
for name in /* ; do
  if [ -L "$name" ]; then ln -s "$(readlink "$name")" "$new$name"
  elif [ -d "$name" ] && [ "$name" != "\${new%/*}" ]; then mkdir "$new$name"; mount --rbind "$name" "$new$name"; fi
done
mkdir -p "$new/tmp"; mount -t tmpfs -o mode=1777 none "$new/tmp"
cd "$1"; shift
exec chroot "$new" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
`;

export function asOrdinaryUser(
  command: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): SpawnSyncReturns<string> {
  const dropped = isRoot ? [...DROP, ...command] : [...command];
  const whole =
    isRoot && !isOpen('/')
      ? ['unshare', '--mount', 'sh', '-c', FRESH_ROOT, 'fresh-root', options.cwd, ...dropped]
      : dropped;
  return spawnSync(whole[0]!, whole.slice(1), { ...options, encoding: 'utf8', timeout: 60_000 });
}
