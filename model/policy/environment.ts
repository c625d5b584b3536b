/**
 * What a policy's patterns stand for on one host. Words hold resolved paths, while people write `/bin/**` and
 * `~/.bashrc` where /bin or .bashrc may be symbolic links; so each pattern is also read with its literal prefix
 * resolved. Pure: the host side (monitor/environment.ts) does the resolving and hands the result in.
 *
 * An allow rule is not widened through a link inside the workspace or a temporary folder: the agent can write
 * there, and a link planted in one run must not carry an allow elsewhere in the next.
 */
import { type Text, toBytes, toText } from '../bytes.ts';
import { SLASH } from './byte-set.ts';
import { type Branch, literal, parseGlob, type Token } from './glob.ts';
import type { Pattern, Policy, Rule } from './source.ts';

export interface Environment {
  /** Absolute, resolved. */
  readonly home: Text;
  /** Absolute, resolved. */
  readonly workspace: Text;
  /** The folders for temporary files, absolute, resolved. */
  readonly temporary: readonly Text[];
  /** The run's state folder; nothing in it may be touched by the subject. */
  readonly state?: Text;
  /** Files and folders that the subject may not change: the policy file, Portcullis itself. */
  readonly protect: readonly Text[];
  /** Literal prefix of a pattern → what it resolves to, where that differs. */
  readonly aliases: Readonly<Record<Text, Text>>;
}

/** A branch whose variable has been replaced. */
export type Sequence = readonly Token[];

/** Every spelling of a glob under this environment. Throws PatternError. */
export function expandGlob(text: Text, environment: Environment, widens: boolean): Sequence[] {
  const plain = parseGlob(text).flatMap((branch) => bind(branch, environment));
  return plain.flatMap((sequence) => [sequence, ...resolved(sequence, environment, widens)]);
}

/** The literal prefixes of a policy's path patterns: what the host should resolve for `aliases`. */
export function literalPrefixes(policy: Policy, environment: Omit<Environment, 'aliases'>): Text[] {
  const bare = { ...environment, aliases: {} };
  const found = new Set<Text>();
  for (const text of pathPatterns(policy))
    for (const branch of parseGlob(text))
      for (const sequence of bind(branch, bare)) {
        const prefix = prefixOf(sequence);
        if (prefix !== null) found.add(prefix.text);
      }
  return [...found];
}

/** The folders that hold everything a path glob can match, the nearest first, each spelling's; none for `**`. */
export function holdersOf(text: Text, environment: Environment): Text[] {
  const nearest = expandGlob(text, environment, false).flatMap((sequence) => prefixOf(sequence)?.text ?? []);
  return [...new Set(nearest.flatMap((path) => [path, ...ancestors(path)]))];
}

/** The folders that hold `path`, without the root. */
export function ancestors(path: Text): Text[] {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return parent === '' ? [] : [parent, ...ancestors(parent)];
}

function pathPatterns(policy: Policy): Text[] {
  const texts = (patterns: readonly Pattern[] | null) => (patterns ?? []).map((pattern) => pattern.text);
  const ofRule = (rule: Rule) => [
    ...texts(rule.paths),
    ...texts(rule.subjects),
    ...texts(rule.addresses).flatMap((text) => (/^unix:[^@]/.test(text) ? [text.slice('unix:'.length)] : [])),
  ];
  return [
    ...[...policy.rules, ...policy.constitution].flatMap(ofRule),
    ...policy.trust.flatMap((entry) => texts(entry.subjects)),
    ...policy.rates.flatMap((entry) => texts(entry.subjects)),
  ];
}

/** Replaces the variable by the bytes it stands for; they stand for themselves. */
function bind(branch: Branch, environment: Environment): Sequence[] {
  if (branch.variable === null) return [branch.tokens];
  return valuesOf(branch.variable, environment).map((value) => [
    ...literal(toBytes(value === '/' && branch.tokens.length > 0 ? '' : value)),
    ...branch.tokens,
  ]);
}

function valuesOf(variable: string, environment: Environment): readonly Text[] {
  if (variable === '~') return [environment.home];
  return variable === 'workspace' ? [environment.workspace] : environment.temporary;
}

function resolved(sequence: Sequence, environment: Environment, widens: boolean): Sequence[] {
  const prefix = prefixOf(sequence);
  if (prefix === null || !Object.hasOwn(environment.aliases, prefix.text)) return [];
  if (widens && writable(prefix.text, environment)) return [];
  const target = environment.aliases[prefix.text]!;
  return [[...literal(toBytes(target === '/' ? '' : target)), ...sequence.slice(prefix.length)]];
}

function writable(path: Text, environment: Environment): boolean {
  return [environment.workspace, ...environment.temporary].some((folder) => path.startsWith(`${folder}/`));
}

/** The longest run of whole literal components at the start of an absolute sequence; null where there is none. */
function prefixOf(sequence: Sequence): { text: Text; length: number } | null {
  const bytes: number[] = [];
  for (const token of sequence) {
    const byte = token.kind === 'one' ? soleByte(token) : -1;
    if (byte < 0) break;
    bytes.push(byte);
  }
  if (bytes[0] !== SLASH) return null;
  const next = sequence[bytes.length];
  const length = next === undefined || next.kind === 'tree' ? bytes.length : bytes.lastIndexOf(SLASH);
  return length <= 1 ? null : { text: toText(Uint8Array.from(bytes.slice(0, length))), length };
}

function soleByte(token: Token & { kind: 'one' }): number {
  return token.set.key.length === 1 ? token.set.key.charCodeAt(0) : -1;
}
