/** The user's home folder, which policies call `~`. */
import { userInfo } from 'node:os';

/** $HOME where it is absolute. An empty or relative one would mean the current folder, so then the folder that the
 * system's user database names. Throws where there is none either. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.HOME?.startsWith('/')) return env.HOME;
  let named = '';
  try {
    named = userInfo().homedir;
  } catch {
    // No entry for this user.
  }
  if (named.startsWith('/')) return named;
  throw new Error(
    'there is no home folder: HOME is no absolute path, and the system knows none for you; set HOME',
  );
}
