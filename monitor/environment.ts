/**
 * What a policy's `~`, `${workspace}` and `${tmp}` mean on this host, every path resolved as the hook will see
 * it. Reads the file system and the process environment once, at the start of a run: what links point to later
 * does not change a compiled policy.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { type Environment, literalPrefixes } from '../model/policy/environment.ts';
import type { Policy } from '../model/policy/source.ts';
import { homeFolder } from './home.ts';

/** An environment before the prefixes of a certain policy have been resolved. */
export type Bindings = Omit<Environment, 'aliases'>;

export interface BindingOptions {
  readonly workspace: string;
  /** Default: the user's home folder. */
  readonly home?: string;
  /** The state folder; need not exist yet. */
  readonly state?: string;
  /** Files and folders that the subject may not change; need not exist yet. */
  readonly protect?: readonly string[];
}

export function hostEnvironment({
  workspace,
  home = homeFolder(),
  state,
  protect = [],
}: BindingOptions): Bindings {
  const where = realpath(home);
  return {
    home: where,
    workspace: realpath(workspace),
    temporary: temporaryFolders(where),
    ...(state === undefined ? {} : { state: realpath(state) }),
    protect: [...new Set(protect.map(realpath))],
  };
}

/** Adds what the literal prefixes of the policy's patterns resolve to on this host. */
export function withAliases(policy: Policy, bindings: Bindings): Environment {
  const aliases: Record<string, string> = {};
  for (const prefix of literalPrefixes(policy, bindings)) {
    const target = realpath(prefix);
    if (target !== prefix) aliases[prefix] = target;
  }
  return { ...bindings, aliases };
}

/**
 * The host's temporary folders. A $TMPDIR that is the home folder or holds it is no temporary folder: policies
 * let the subject write there freely.
 */
function temporaryFolders(home: string): string[] {
  const named = process.env.TMPDIR;
  const own = named !== undefined && isAbsolute(named) ? [realpath(named)] : [];
  const safe = own.filter((folder) => folder !== '/' && folder !== home && !home.startsWith(`${folder}/`));
  return [...new Set([...['/tmp', '/var/tmp'].map(realpath), ...safe])];
}

/** The resolved path; what does not exist keeps its name below its longest existing ancestor. */
function realpath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync.native(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realpath(parent), basename(absolute));
  }
}
