/**
 * What a policy is bound to when a user runs or explains it: the workspace, and what no policy may let the command
 * touch: the state of all runs, the policy file in use, a trace being written, and the installation itself.
 */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bindings, hostEnvironment } from '../monitor/environment.ts';
import { BUILT_IN } from '../monitor/policies.ts';
import { stateRoot } from '../monitor/state.ts';

export interface BindingChoice {
  /** Policy file or name of a built-in. */
  readonly policy: string;
  readonly workspace: string;
  /** State folder, where it is not one below stateRoot. */
  readonly state?: string | undefined;
  readonly trace?: string | undefined;
}

export function bindingsOf({ policy, workspace, state, trace }: BindingChoice): Bindings {
  const protect = [...installation(), stateRoot()];
  if (!(BUILT_IN as readonly string[]).includes(policy)) protect.push(policy);
  if (trace !== undefined) protect.push(trace);
  return hostEnvironment({ workspace, state: state ?? stateRoot(), protect });
}

/** What runs the gate, and so must not be changed from behind it: node, this code and what it loads. */
function installation(): string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  const code = resolve(here, '..');
  const root = here.endsWith('/dist/cli') ? resolve(code, '..') : code;
  const parts = ['bin', 'build', 'node_modules', 'package.json'].map((name) => join(root, name));
  return [process.execPath, code, ...parts];
}
