/**
 * Portcullis's own rules. They stand before every policy's rules. Two kinds:
 *
 *   what Portcullis is made of   the state folder, the policy file, the installation: nothing can override these,
 *                                or an agent that may write its home could edit its own trail or policy
 *   folders on the way           a rule on `~/vault/keys/**` would say nothing any more once ~/vault is called
 *                                otherwise; so renaming a folder above what a deny or review rule protects is
 *                                denied or reviewed too (patterns that begin with `**` move along and need none)
 */
import type { Text } from '../bytes.ts';
import type { Operation } from '../operation.ts';
import type { Effect } from '../verdict.ts';
import { ancestors, type Environment, holdersOf } from './environment.ts';
import { PatternError } from './errors.ts';
import { escapeGlob } from './glob.ts';
import { ON_ADDRESSES, ON_PATHS } from './schema.ts';
import type { Pattern, Policy, Rule } from './source.ts';

const CHANGES: readonly Operation[] = [
  'write',
  'create',
  'delete',
  'rename',
  'link',
  'chmod',
  'chown',
  'truncate',
  'mkdir',
];
const AT = { file: '(built in)', line: 1, column: 1 };

/** The rules of a policy under an environment, in the order of the compiled table. */
export function effectiveRules(policy: Policy, environment: Environment): Rule[] {
  return [...selfProtection(environment), ...foldersOnTheWay(policy, environment), ...policy.rules];
}

function foldersOnTheWay(policy: Policy, environment: Environment): Rule[] {
  return (['deny', 'review'] as const).flatMap((effect) => {
    const guarding = policy.rules.filter(
      (rule) => rule.effect === effect && rule.operations.some((operation) => operation !== 'exec'),
    );
    const folders = new Set(
      guarding.flatMap((rule) => (rule.paths ?? []).flatMap(({ text }) => holders(text, environment))),
    );
    if (folders.size === 0) return [];
    const paths = [...folders].map(escapeGlob);
    const reason = 'moving this folder would take what it holds out of reach of a rule';
    return [rule(`portcullis-moves-${effect}`, reason, ['rename'], { paths }, effect)];
  });
}

/** A pattern that does not fit the environment has none; compiling its rule says what is wrong with it. */
function holders(text: Text, environment: Environment): Text[] {
  try {
    return holdersOf(text, environment);
  } catch (error) {
    if (error instanceof PatternError) return [];
    throw error;
  }
}

/** Rules for the state folder and for what the subject may not change. */
export function selfProtection({ state, protect }: Environment): Rule[] {
  const rules: Rule[] = [];
  if (state !== undefined) {
    const reason = 'the state of Portcullis itself';
    rules.push(
      rule('portcullis-state', reason, ON_PATHS, { paths: [below(state)] }),
      rule('portcullis-state-sockets', reason, ON_ADDRESSES, { addresses: [`unix:${below(state)}`] }),
    );
  }
  if (protect.length > 0)
    rules.push(
      rule('portcullis-files', 'what Portcullis is made of', CHANGES, { paths: protect.map(below) }),
    );
  const folders = [...new Set([...(state === undefined ? [] : [state]), ...protect].flatMap(ancestors))];
  if (folders.length > 0)
    rules.push(
      rule('portcullis-folders', 'moving this folder would move what Portcullis protects', ['rename'], {
        paths: folders.map(escapeGlob),
      }),
    );
  return rules;
}

const below = (path: Text) => `${escapeGlob(path)}/**`;

interface Objects {
  readonly paths?: readonly Text[];
  readonly addresses?: readonly Text[];
}

function rule(
  id: string,
  reason: string,
  operations: readonly Operation[],
  { paths, addresses }: Objects,
  effect: Effect = 'deny',
): Rule {
  const patterns = (texts: readonly Text[] | undefined): Pattern[] | null =>
    texts?.map((text) => ({ text, at: AT })) ?? null;
  return {
    id,
    effect,
    operations,
    paths: patterns(paths),
    addresses: patterns(addresses),
    argv: null,
    subjects: null,
    reason,
    at: AT,
  };
}
