/**
 * From a policy file's text to a Policy. Everything that can be known without a host is checked here: shape,
 * names, limits, patterns. Reports all faults of a file at once, each with its place and how to mend it.
 */
import { OPERATIONS, type Operation } from '../operation.ts';
import { EFFECTS, type Effect } from '../verdict.ts';
import { checkAddress } from './address.ts';
import { compileArgv } from './argv.ts';
import { SLASH } from './byte-set.ts';
import { PatternError, PolicyError } from './errors.ts';
import { type Branch, parseGlob } from './glob.ts';
import {
  LIMITS,
  type Pattern,
  type Policy,
  type RateEntry,
  type Rule,
  TIERS,
  type TrustEntry,
} from './source.ts';
import { type Item, Source } from './yaml.ts';

/** Operations whose object is a socket address. */
export const ON_ADDRESSES: readonly Operation[] = ['connect', 'bind', 'send'];
/** Operations whose object has a path: of a file, of a program, of the signalled process's executable. */
export const ON_PATHS: readonly Operation[] = OPERATIONS.filter(
  (operation) => !ON_ADDRESSES.includes(operation),
);

const POLICY_KEYS = [
  'version',
  'description',
  'default',
  'record',
  'durability',
  'rules',
  'constitution',
  'trust',
  'rates',
];
const RULE_KEYS = ['id', 'effect', 'operations', 'paths', 'addresses', 'argv', 'subjects', 'reason'];
/** Ids of rules that Portcullis adds by itself begin so. */
export const OWN_PREFIX = 'portcullis-';

/** How to mend a policy without rules. */
const ONE_RULE = 'a policy has at least one rule: write rules: and below it - {id: some-name, effect: deny}';

/** Reads a policy. `file` names it in messages. Throws PolicyError with every fault found. */
export function parsePolicy(text: string, file: string): Policy {
  const source = new Source(file);
  const root = source.parse(text);
  const fields = root.map('the policy', POLICY_KEYS) ?? new Map<string, Item>();
  const version = fields.get('version');
  if (version === undefined) root.complain('version is missing', 'begin with version: 1');
  else version.number('version', (value) => value === 1, '1');
  const ids = new Map<string, Item>();
  const policy: Policy = {
    version: 1,
    description: fields.get('description')?.string('description', LIMITS.textLength) ?? '',
    default:
      fields
        .get('default')
        ?.oneOf('default', ['review', 'deny'], 'what no rule matches is never allowed; add an allow rule') ??
      'review',
    record: fields.get('record')?.oneOf('record', ['changes', 'all']) ?? 'changes',
    durability: fields.get('durability')?.oneOf('durability', ['batched', 'strict']) ?? 'batched',
    rules: readRules(fields.get('rules'), 'rules', ids),
    constitution: readRules(fields.get('constitution'), 'constitution', ids),
    trust: readList(fields.get('trust'), 'trust', LIMITS.entries, readTrust),
    rates: readList(fields.get('rates'), 'rates', LIMITS.entries, readRate),
    file,
    source: text,
  };
  if (!fields.has('rules') && fields.size > 0) root.complain('rules is missing', ONE_RULE);
  if (source.complaints.length > 0) throw new PolicyError(source.complaints);
  return policy;
}

function readList<T>(
  item: Item | undefined,
  what: string,
  limit: number,
  read: (item: Item) => T | null,
  empty?: string,
): T[] {
  return (item?.list(what, limit, empty) ?? []).map(read).filter((value) => value !== null);
}

type Section = 'rules' | 'constitution';

function readRules(item: Item | undefined, section: Section, ids: Map<string, Item>): Rule[] {
  const empty = section === 'rules' ? ONE_RULE : undefined;
  return readList(item, section, LIMITS.rules, (rule) => readRule(rule, section, ids), empty);
}

function readRule(item: Item, section: Section, ids: Map<string, Item>): Rule | null {
  const keys = section === 'rules' ? RULE_KEYS : RULE_KEYS.filter((key) => key !== 'effect');
  const fields = item.map(section === 'rules' ? 'a rule' : 'a constitutional rule', keys);
  if (fields === null) return null;
  const id = readId(item, fields.get('id'), ids);
  const effect = section === 'rules' ? readEffect(item, fields.get('effect')) : 'deny';
  const paths = readPatterns(fields.get('paths'), 'paths', checkPath);
  const addresses = readPatterns(fields.get('addresses'), 'addresses', checkAddress);
  const argv = readPattern(fields.get('argv'), 'argv', compileArgv);
  const subjects = readPatterns(fields.get('subjects'), 'subjects', checkPath);
  const operations = readOperations(fields, fields.get('operations'));
  const reason = fields.get('reason')?.string('reason', LIMITS.textLength) ?? '';
  return { id, effect, operations, paths, addresses, argv, subjects, reason, at: item.at };
}

function readId(rule: Item, item: Item | undefined, ids: Map<string, Item>): string {
  if (item === undefined) rule.complain('a rule without an id', 'add id: some-name');
  const id = item?.string('id', 100) ?? null;
  if (item === undefined || id === null) return '';
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id))
    item.complain(
      `id ${JSON.stringify(id)} is not a name`,
      'use lower-case letters, digits and single hyphens',
    );
  else if (id.startsWith(OWN_PREFIX))
    item.complain(`ids beginning with ${OWN_PREFIX} are reserved`, 'choose another');
  const first = ids.get(id);
  if (first !== undefined)
    item.complain(`a second rule with id ${id}`, `the first is at line ${first.at.line}`);
  else ids.set(id, item);
  return id;
}

function readEffect(rule: Item, item: Item | undefined): Effect {
  if (item === undefined) rule.complain('a rule without an effect', 'add effect: allow, deny or review');
  return item?.oneOf('effect', EFFECTS) ?? 'deny';
}

/** Also checks that operations and object patterns go together. */
function readOperations(fields: ReadonlyMap<string, Item>, item: Item | undefined): Operation[] {
  const [paths, addresses, argv] = ['paths', 'addresses', 'argv'].map((key) => fields.get(key));
  if (addresses !== undefined && (paths ?? argv) !== undefined)
    addresses.complain('addresses cannot stand beside paths or argv', 'write two rules');
  const fitting =
    argv !== undefined
      ? (['exec'] as const)
      : addresses !== undefined
        ? ON_ADDRESSES
        : paths !== undefined
          ? ON_PATHS
          : OPERATIONS;
  if (item === undefined) return [...fitting];
  const operations: Operation[] = [];
  for (const entry of item.list('operations', 100) ?? []) {
    const name = entry.string('an operation', 100);
    if (name === null) continue;
    const operation = OPERATIONS.find((known) => known === name);
    if (operation === undefined)
      entry.complain(`unknown operation ${JSON.stringify(name)}`, `known: ${OPERATIONS.join(', ')}`);
    else if (operations.includes(operation)) entry.complain(`${name} is named twice`);
    else {
      operations.push(operation);
      if (!fitting.includes(operation)) misfit(entry, operation, argv !== undefined, addresses !== undefined);
    }
  }
  return operations;
}

function misfit(entry: Item, operation: Operation, argv: boolean, addresses: boolean): void {
  if (argv) entry.complain(`argv cannot be matched on ${operation}`, 'argv goes with exec alone');
  else if (addresses)
    entry.complain(`addresses cannot be matched on ${operation}`, `they go with ${ON_ADDRESSES.join(', ')}`);
  else
    entry.complain(
      `paths cannot be matched on ${operation}`,
      'write addresses, with unix:/path for unix sockets',
    );
}

function readPatterns(
  item: Item | undefined,
  what: string,
  check: (text: string) => unknown,
): Pattern[] | null {
  if (item === undefined) return null;
  return (item.list(what, LIMITS.patternsPerRule) ?? [])
    .map((entry) => readPattern(entry, `an entry of ${what}`, check))
    .filter((pattern) => pattern !== null);
}

function readPattern(item: Item | undefined, what: string, check: (text: string) => unknown): Pattern | null {
  const text = item?.string(what, LIMITS.patternBytes) ?? null;
  if (item === undefined || text === null) return null;
  try {
    check(text);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    item.complain(error.message, error.hint);
  }
  return { text, at: item.at };
}

/** Refuses globs that can match no resolved path. */
function checkPath(text: string): void {
  for (const branch of parseGlob(text)) checkBranch(text, branch);
}

function checkBranch(text: string, { variable, tokens }: Branch): void {
  const plain = tokens
    .map((token) =>
      token.kind === 'tree'
        ? '/**'
        : token.kind === 'many'
          ? '*'
          : token.set.key.length === 1
            ? token.set.key
            : '?',
    )
    .join('');
  const first = tokens[0];
  const absolute =
    variable !== null ||
    first?.kind === 'tree' ||
    (first?.kind === 'many' && first.set.has[SLASH] === 1) ||
    plain.startsWith('/');
  if (!absolute && !/^[a-z_]+:/.test(plain))
    throw new PatternError(
      `${JSON.stringify(text)} is relative: paths are judged resolved and absolute`,
      `write \${workspace}/${text}, **/${text} or an absolute path`,
    );
  if (/\/\/|\/\.\.?(\/|$)/.test(plain))
    throw new PatternError(
      `${JSON.stringify(text)} holds an empty, . or .. component`,
      'resolved paths have none',
    );
  if (plain.length > 1 && plain.endsWith('/'))
    throw new PatternError(
      `${JSON.stringify(text)} ends in a slash, as no resolved path does`,
      `write ${text}** or drop the slash`,
    );
}

function readSubjects(item: Item, fields: ReadonlyMap<string, Item>): Pattern[] {
  const subjects = fields.get('subjects');
  if (subjects === undefined)
    item.complain('subjects is missing', 'name executables, for instance ["/usr/bin/**"]');
  return readPatterns(subjects, 'subjects', checkPath) ?? [];
}

function readTrust(item: Item): TrustEntry | null {
  const fields = item.map('a trust entry', ['subjects', 'tier']);
  if (fields === null) return null;
  if (!fields.has('tier')) item.complain('tier is missing', `one of ${TIERS.join(', ')}`);
  return {
    subjects: readSubjects(item, fields),
    tier: fields.get('tier')?.oneOf('tier', TIERS) ?? 'untrusted',
  };
}

function readRate(item: Item): RateEntry | null {
  const fields = item.map('a rate', ['operations', 'subjects', 'burst', 'per_second']);
  if (fields === null) return null;
  for (const key of ['burst', 'per_second'])
    if (!fields.has(key)) item.complain(`${key} is missing`, 'say how many');
  return {
    operations: readOperations(new Map(), fields.get('operations')),
    subjects: fields.has('subjects') ? readSubjects(item, fields) : null,
    burst:
      fields
        .get('burst')
        ?.number(
          'burst',
          (n) => Number.isInteger(n) && n >= 1 && n <= 1e9,
          'a whole number from 1 to 1,000,000,000',
        ) ?? 1,
    per_second:
      fields
        .get('per_second')
        ?.number(
          'per_second',
          (n) => Number.isFinite(n) && n > 0 && n <= 1e9,
          'a number above 0 and at most 1,000,000,000',
        ) ?? 1,
  };
}
