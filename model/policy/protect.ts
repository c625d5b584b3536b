/**
 * Portcullis's own rules. They stand before every policy's rules and nothing can override them: they deny, and
 * deny beats everything. Without them an agent that may write its home could edit its own trail or policy.
 */
import type { Text } from '../bytes.ts';
import type { Operation } from '../operation.ts';
import type { Environment } from './environment.ts';
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
  return [...selfProtection(environment), ...policy.rules];
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

/** The folders that hold `path`, without the root. */
function ancestors(path: Text): Text[] {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return parent === '' ? [] : [parent, ...ancestors(parent)];
}

interface Objects {
  readonly paths?: readonly Text[];
  readonly addresses?: readonly Text[];
}

function rule(
  id: string,
  reason: string,
  operations: readonly Operation[],
  { paths, addresses }: Objects,
): Rule {
  const patterns = (texts: readonly Text[] | undefined): Pattern[] | null =>
    texts?.map((text) => ({ text, at: AT })) ?? null;
  return {
    id,
    effect: 'deny',
    operations,
    paths: patterns(paths),
    addresses: patterns(addresses),
    argv: null,
    subjects: null,
    reason,
    at: AT,
  };
}
