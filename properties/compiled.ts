/**
 * Policies of the properties, compiled by the real compiler against one fixed environment, and kept: scenarios
 * use few policies and many runs. Owner of the cache: this module; it holds at most `MOST` policies.
 */
import { type CompiledPolicy, compile } from '../model/policy/compile.ts';
import { parsePolicy } from '../model/policy/schema.ts';
import { type PolicyText, sourceOf } from './policies.ts';
import { HOME, STATE, WORKSPACE } from './universe.ts';

export const ENVIRONMENT = {
  home: HOME,
  workspace: WORKSPACE,
  temporary: ['/tmp'],
  state: STATE,
  protect: ['/opt/portcullis'],
  aliases: {},
};

const MOST = 200;
const kept = new Map<string, CompiledPolicy>();

/** The policy, compiled. Throws PolicyError where its text is not one. */
export function compiled(policy: PolicyText): CompiledPolicy {
  const source = sourceOf(policy);
  const known = kept.get(source);
  if (known !== undefined) return known;
  if (kept.size >= MOST) kept.clear();
  const fresh = compile(parsePolicy(source, 'scenario.yaml'), ENVIRONMENT);
  kept.set(source, fresh);
  return fresh;
}
