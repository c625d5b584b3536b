/**
 * A second opinion on what a policy says: turns each pattern into a regular expression over bytes and matches by
 * Brzozowski derivatives. Slow, small and written apart from model/policy (it shares its types and the list of
 * Portcullis's own rules, and no code that parses patterns, compiles or walks), so that a fault in one is not a
 * fault in the other. It takes policies that parsePolicy accepted and does not check them again.
 */
import { toBytes } from './bytes.ts';
import type { Event } from './event.ts';
import type { Environment } from './policy/environment.ts';
import { effectiveRules } from './policy/protect.ts';
import type { Policy, Rule } from './policy/source.ts';
import type { Effect } from './verdict.ts';
import { words } from './word.ts';

export interface Opinion {
  readonly effect: Effect;
  /** Index into the effective rules (model/policy/protect.ts); null: the default. */
  readonly rule: number | null;
}

export interface Oracle {
  /** What the policy says of a word. */
  word(word: Uint8Array): Opinion;
  /** What it says of an event: the strongest over its words. */
  event(event: Pick<Event, 'operation' | 'also' | 'object' | 'subject'>): Opinion;
  /** Every rule that speaks about the word, in order. */
  matching(word: Uint8Array): number[];
  /** Indices of the constitutional rules that the word breaks, in order. */
  breaches(word: Uint8Array): number[];
}

const STRENGTH: Readonly<Record<Effect, number>> = { allow: 0, review: 1, deny: 2 };

export function oracle(policy: Policy, environment: Environment): Oracle {
  const rules = effectiveRules(policy, environment);
  const tests = rules.map((rule) => speaks(rule, environment));
  const constitution = policy.constitution.map((rule) => speaks(rule, environment));
  const hits = (all: readonly Test[], word: Uint8Array) =>
    all.flatMap((test, i) => (test(split(word)) ? [i] : []));
  const opinion = (word: Uint8Array): Opinion => {
    let best: Opinion = { effect: policy.default, rule: null };
    for (const rule of hits(tests, word)) {
      const { effect } = rules[rule]!;
      if (best.rule === null || STRENGTH[effect] > STRENGTH[best.effect]) best = { effect, rule };
    }
    return best;
  };
  return {
    word: opinion,
    event: (event) =>
      words(event)
        .map(opinion)
        .reduce((best, next) => (STRENGTH[next.effect] > STRENGTH[best.effect] ? next : best)),
    matching: (word) => hits(tests, word),
    breaches: (word) => hits(constitution, word),
  };
}

// --- rules. Strings below hold bytes, as characters U+0000 to U+00FF. -------------------------------------------

type Fields = readonly [operation: string, subject: string, object: string];
type Test = (fields: Fields | null) => boolean;
type Match = (bytes: string) => boolean;

const latin = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');

function split(word: Uint8Array): Fields | null {
  const parts = /^([^\0]*)\0([^\0]*)\0(.*)$/s.exec(latin(word));
  return parts === null ? null : [parts[1]!, parts[2]!, parts[3]!];
}

function speaks(rule: Rule, environment: Environment): Test {
  const glob = (text: string) => globMatch(text, environment, rule.effect === 'allow');
  const anyOf = (patterns: Rule['paths'], match: (text: string) => Match): Match => {
    const all = patterns?.map(({ text }) => match(text));
    return (bytes) => all === undefined || all.some((one) => one(bytes));
  };
  const [subjects, paths] = [anyOf(rule.subjects, glob), anyOf(rule.paths, glob)];
  const addresses = anyOf(rule.addresses, (text) => addressMatch(text, glob));
  const line = rule.argv === null ? () => true : matcher(parse(utf8(rule.argv.text.replace(/^\^/, ''))));
  return (fields) => {
    if (fields === null || !(rule.operations as readonly string[]).includes(fields[0])) return false;
    const [operation, subject, object] = fields;
    const [, program, argv] = operation === 'exec' ? /^([^\0]*)\0?(.*)$/s.exec(object)! : [null, object, ''];
    return subjects(subject) && paths(program!) && addresses(object) && line(argv!.replaceAll('\0', ' '));
  };
}

function addressMatch(text: string, glob: (text: string) => Match): Match {
  if (text.startsWith('unix:')) {
    const match = glob(text.slice(5));
    return (object) => object.startsWith('unix\0') && match(object.slice(5));
  }
  if (/^(netlink|other):/.test(text)) return (object) => object.startsWith(`${text.slice(0, -2)}\0`);
  const [, only, v6, v4, length, ports] = /^(?:(\w+):)?(?:\[(.*)\]|([\d.]+))(?:\/(\d+))?:(.*)$/.exec(text)!;
  const bits = v6 === undefined ? 96 + Number(length ?? 32) : Number(length ?? 128);
  const prefix = bitsOf(v6 ?? `::ffff:${v4}`).slice(0, bits);
  const [low, high = low] = ports === '*' ? [0, Infinity] : ports!.split('-').map(Number);
  return (object) => {
    const [, protocol, hex, port] = /^(tcp|udp)\0([0-9a-f]{32})\0(\d+)\0/.exec(object) ?? [];
    if (protocol === undefined || (only !== undefined && only !== protocol)) return false;
    const plain = ports === '*' || !/^0./.test(port!);
    return (
      bitsOf(hex!.match(/.{4}/g)!.join(':')).startsWith(prefix) && plain && +port! >= low! && +port! <= high!
    );
  };
}

/** The 128 bits of an IPv6 address, as digits. */
function bitsOf(text: string): string {
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...n) =>
    [0, 2].map((i) => (Number(n[i]) * 256 + Number(n[i + 1])).toString(16)).join(':'),
  );
  const [head, tail = []] = hex.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const groups = [...head!, ...Array<string>(8 - head!.length - tail.length).fill('0'), ...tail];
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}

// --- globs, in every spelling that the environment gives them ---------------------------------------------------

function globMatch(text: string, environment: Environment, widens: boolean): Match {
  const { home, workspace, temporary, aliases } = environment;
  const bytes = (path: string) => latin(toBytes(path));
  const [variable = '', name] = /^(?:~|\$\{(\w+)\})/.exec(text) ?? [];
  const values =
    variable === '' ? [''] : variable === '~' ? [home] : name === 'tmp' ? temporary : [workspace];
  const free = (path: string) =>
    [workspace, ...temporary].some((folder) => path.startsWith(`${bytes(folder)}/`));
  const all: Match[] = [];
  const add = (folder: string, rest: string) => {
    const prefix = folder === '/' && rest !== '' ? '' : bytes(folder);
    const match = matcher(parse(regexOfGlob(rest)));
    all.push((path) => path.startsWith(prefix) && match(path.slice(prefix.length)));
  };
  for (const folder of values)
    for (const branch of writtenOut(bytes(text.slice(variable.length)).match(PIECES) ?? [])) {
      add(folder, branch);
      const literal = /^(?:[^*?[\\]|\\.)*/s.exec(branch)![0];
      const whole = literal === branch || /^\/\*\*(\/|$)/.test(branch.slice(literal.length - 1));
      const kept = whole
        ? literal.replace(/(?<=.)\/$/, '')
        : literal.slice(0, Math.max(0, literal.lastIndexOf('/')));
      const known = (folder === '/' ? '' : bytes(folder)) + kept.replace(/\\(.)/gs, '$1');
      const alias = Object.keys(aliases).find(
        (from) => known.startsWith('/') && known !== '/' && bytes(from) === known,
      );
      if (alias !== undefined && !(widens && free(known))) add(aliases[alias]!, branch.slice(kept.length));
    }
  return (path) => all.some((match) => match(path));
}

const PIECES = /\\.|\[[!^]?(?:\\.|[^\\])(?:\\.|[^\\\]])*\]|./gs;

/** The globs without braces that a glob stands for. */
function writtenOut(pieces: readonly string[]): string[] {
  const open = pieces.indexOf('{');
  if (open < 0) return [pieces.join('')];
  const edges = [open];
  let depth = 1;
  for (let i = open + 1; depth > 0; i++) {
    if (pieces[i] === '{') depth++;
    if (pieces[i] === '}') depth--;
    if (depth === 0 || (depth === 1 && pieces[i] === ',')) edges.push(i);
  }
  const [before, after] = [pieces.slice(0, open), pieces.slice(edges.at(-1)! + 1)];
  const inner = edges.slice(1).map((edge, i) => pieces.slice(edges[i]! + 1, edge));
  return inner.flatMap((alternative) => writtenOut([...before, ...alternative, ...after]));
}

function regexOfGlob(glob: string): string {
  const hex = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return glob.replace(/\/\*\*(?=\/|$)|\*\*|\\.|\[[!^]?(?:\\.|[^\\])(?:\\.|[^\\\]])*\]|./gs, (piece) => {
    if (piece === '/**') return '(/[^\\x00]*)?';
    if (piece === '**') return '[^\\x00]*';
    if (piece === '*') return '[^\\x00/]*';
    if (piece === '?') return '[^\\x00/]';
    if (piece.length < 3) return hex(piece.at(-1)!);
    const members = piece
      .slice(1, -1)
      .replace(/^!/, '^')
      .replace(/(?<!\\)\[/g, '\\[');
    const negative = members.startsWith('^');
    const listed = new RegExp(`[${(negative ? members.slice(1) : members).replace(/^\]/, '\\]')}]`, 's');
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    const chosen = all.filter((char) => listed.test(char) !== negative && char !== '\0' && char !== '/');
    return chosen.length === 0 ? '[^\\x00-\\xff]' : `[${chosen.map(hex).join('')}]`;
  });
}

// --- regular expressions over bytes, and their derivatives ------------------------------------------------------

type Regex =
  | { readonly kind: 'none' | 'empty'; readonly id: string }
  | { readonly kind: 'set'; readonly id: string; readonly has: Match }
  | { readonly kind: 'then' | 'or'; readonly id: string; readonly left: Regex; readonly right: Regex }
  | { readonly kind: 'star'; readonly id: string; readonly of: Regex };

const NONE: Regex = { kind: 'none', id: '∅' };
const EMPTY: Regex = { kind: 'empty', id: 'ε' };

function then(left: Regex, right: Regex): Regex {
  if (left === NONE || right === NONE) return NONE;
  if (left === EMPTY) return right;
  if (right === EMPTY) return left;
  if (left.kind === 'then') return then(left.left, then(left.right, right));
  return { kind: 'then', id: `(${left.id}${right.id})`, left, right };
}

/** Sorted and without repetitions, so that the derivatives of an expression are finitely many. */
function or(left: Regex, right: Regex): Regex {
  const list = (regex: Regex): Regex[] =>
    regex.kind === 'or' ? [...list(regex.left), ...list(regex.right)] : [regex];
  const distinct = new Map([...list(left), ...list(right)].map((regex) => [regex.id, regex]));
  distinct.delete(NONE.id);
  const sorted = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return sorted.reduceRight(
    (sum: Regex, regex) =>
      sum === NONE ? regex : { kind: 'or', id: `(${regex.id}|${sum.id})`, left: regex, right: sum },
    NONE,
  );
}

const nullable = (regex: Regex): boolean =>
  regex.kind === 'empty' ||
  regex.kind === 'star' ||
  (regex.kind === 'or' && (nullable(regex.left) || nullable(regex.right))) ||
  (regex.kind === 'then' && nullable(regex.left) && nullable(regex.right));

function derivative(regex: Regex, char: string): Regex {
  if (regex.kind === 'set') return regex.has(char) ? EMPTY : NONE;
  if (regex.kind === 'star') return then(derivative(regex.of, char), regex);
  if (regex.kind === 'or') return or(derivative(regex.left, char), derivative(regex.right, char));
  if (regex.kind !== 'then') return NONE;
  const first = then(derivative(regex.left, char), regex.right);
  return nullable(regex.left) ? or(first, derivative(regex.right, char)) : first;
}

function matcher(regex: Regex): Match {
  return (text) => {
    let rest = regex;
    for (let i = 0; i < text.length && rest !== NONE; i++) rest = derivative(rest, text[i]!);
    return nullable(rest);
  };
}

const utf8 = (text: string) => text.replace(/[^\0-\x7f]/gu, (char) => `(?:${latin(toBytes(char))})`);

/** Reads an argument pattern (its non-ASCII characters being groups of bytes), or what a glob became. */
function parse(source: string): Regex {
  let at = 0;
  const take = (token: RegExp): string | null => {
    token.lastIndex = at;
    const found = token.exec(source)?.[0] ?? null;
    at += found?.length ?? 0;
    return found;
  };
  const alternatives = (): Regex => {
    let all = sequence();
    while (take(/\|/y)) all = or(all, sequence());
    return all;
  };
  const sequence = (): Regex => {
    let all: Regex = EMPTY;
    while (at < source.length && !/[|)]/.test(source[at]!) && !take(/\$$/y)) all = then(all, repeated());
    return all;
  };
  const repeated = (): Regex => {
    const one = atom();
    const count = take(/[*+?]|\{\d+(,\d*)?\}/y);
    if (count !== null) take(/\?/y);
    const [low, high] =
      { '*': '0,', '+': '1,', '?': '0,1' }[count ?? '']?.split(',') ??
      (count ?? '{1}').slice(1, -1).split(',');
    let all: Regex = high === '' ? { kind: 'star', id: `(${one.id})*`, of: one } : EMPTY;
    for (let i = Number(low); i < Number(high ?? low); i++) if (high !== '') all = or(EMPTY, then(one, all));
    for (let i = 0; i < Number(low); i++) all = then(one, all);
    return all;
  };
  const atom = (): Regex => {
    if (take(/\((\?:)?/y)) {
      const inner = alternatives();
      take(/\)/y);
      return inner;
    }
    // One character: the host's own engine says which bytes a class, an escape or a dot holds.
    const piece = take(/\[\^?(\\.|[^\\\]])*\]|\\x..|\\.|./sy)!;
    const plain = /^\\[^dwsDWSntrfvx]/.test(piece)
      ? `\\x${piece.charCodeAt(1).toString(16).padStart(2, '0')}`
      : piece;
    const spelled = plain
      .replace(/\\s/g, piece[0] === '[' ? '\\t-\\r ' : '[\\t-\\r ]')
      .replace(/^\\S$/, '[^\\t-\\r ]');
    const test = new RegExp(
      /^[\\[.]/.test(spelled) ? `^${spelled}$` : `^\\u${piece.charCodeAt(0).toString(16).padStart(4, '0')}$`,
      's',
    );
    return { kind: 'set', id: `<${piece}>`, has: (char) => test.test(char) };
  };
  return alternatives();
}
