/**
 * Argument patterns: a regular expression over the arguments joined by single spaces, in a subset that a finite
 * automaton reads in linear time. It matches the whole line; `^` at its start and `$` at its end are accepted and
 * mean nothing. It works on bytes: a character outside ASCII stands for its UTF-8 bytes, `.` is any one byte.
 *
 * Understood: | ( ) (?: ) * + ? {n} {n,} {n,m} (and lazy forms, which match the same) . [a-z] [^a-z]
 * \d \w \s \D \W \S \n \t \r \f \v \xHH and a backslash before punctuation. Refused, each with its name:
 * back-references, look-around, word boundaries, inner anchors, named groups, classes with non-ASCII members.
 *
 * In the word, arguments are separated by NUL (model/word.ts). Since no argument holds NUL, the language of the
 * joined line is kept exactly by letting every transition that takes the space also take NUL, and no other.
 */
import { type CharSet, JS, NFA, TooManyNodesError } from 'refa';
import { type Text, toBytes } from '../bytes.ts';
import { ByteSet, NUL, SINGLE, SPACE } from './byte-set.ts';
import { PatternError } from './errors.ts';

/** States are numbered from 0, the start; no empty transitions. */
export interface ArgvAutomaton {
  readonly edges: readonly (readonly { readonly set: ByteSet; readonly to: number }[])[];
  readonly accepts: ReadonlySet<number>;
}

const MAX_NODES = 5_000;
/** `\s` in JavaScript also takes characters outside ASCII, which are no bytes here. */
const WHITE = '\\t\\n\\v\\f\\r ';
const ESCAPES: Readonly<Record<string, string>> = { s: `[${WHITE}]`, S: `[^${WHITE}]` };
const REFUSED: readonly (readonly [RegExp, string, string])[] = [
  [/^\\[bB]/, 'word boundaries (\\b, \\B)', 'spell out what may stand before or after, for instance (.* )?'],
  [/^\\[1-9k]/, 'back-references', 'write the alternatives out'],
  [/^\\[pPuc]/, 'the escapes \\p, \\u and \\c', 'write the character itself or \\xHH'],
  [/^\(\?<?[=!]/, 'look-around', 'write a second rule: deny beats review beats allow'],
  [/^\(\?(?!:)/, 'named groups and flags', 'write ( ) or (?: )'],
  [
    /^[$^]/,
    'anchors inside the pattern',
    'the pattern always matches the whole line; write .* at either end',
  ],
];

/** Compiles an argument pattern. Throws PatternError. */
export function compileArgv(text: Text): ArgvAutomaton {
  const source = normalise(text.replace(/^\^/, '').replace(/(?<!\\)((?:\\\\)*)\$$/, '$1'));
  try {
    const parser = JS.Parser.fromLiteral({ source, flags: 's' });
    const { expression, maxCharacter } = parser.parse({ assertions: 'throw', backreferences: 'throw' });
    const factory = new NFA.LimitedNodeFactory(MAX_NODES);
    return flatten(NFA.fromRegex(expression, { maxCharacter }, {}, factory));
  } catch (error) {
    if (error instanceof TooManyNodesError)
      throw new PatternError('the regular expression is too large', 'use smaller repetition counts');
    throw new PatternError(`not a regular expression: ${firstLine(error)}`, 'docs/policy.md has the syntax');
  }
}

const firstLine = (error: unknown) =>
  (error instanceof Error ? error.message : String(error))
    .replace(/^Invalid regular expression:[^:]*: /, '')
    .split('\n')[0]!;

/** Rewrites the pattern so that JavaScript's syntax gives it our meaning, refusing what has none. */
function normalise(text: Text): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at, at + 16);
    for (const [shape, what, hint] of REFUSED)
      if (shape.test(rest)) throw new PatternError(`${what} cannot be used in argv patterns`, hint);
    const [piece, length] = rest[0] === '[' ? klass(text, at) : outside(text, at);
    out += piece;
    at += length;
  }
  return out;
}

/** One piece outside a class: its JavaScript spelling and how much of the text it took. */
function outside(text: Text, at: number): [string, number] {
  const char = String.fromCodePoint(text.codePointAt(at)!);
  if (char === '\\') {
    const [piece, length] = escaped(text, at);
    return [ESCAPES[text[at + 1]!] ?? piece, length];
  }
  if (char === '{' && !/^\{\d{1,4}(,\d{0,4})?\}/.test(text.slice(at, at + 12)))
    throw new PatternError('{ that is no repetition', 'write \\{ for the character, or {n}, {n,}, {n,m}');
  if (char === '/') return ['\\/', 1];
  if (char === '\n') return ['\\n', 1];
  if (char.charCodeAt(0) < 0x80) return [char, 1];
  const bytes = [...toBytes(char)].map((byte) => `\\x${byte.toString(16)}`);
  return [`(?:${bytes.join('')})`, char.length];
}

/** A backslash and what follows it. */
function escaped(text: Text, at: number): [string, number] {
  const hex = /^\\x[0-9a-fA-F]{2}/.exec(text.slice(at, at + 4));
  if (hex !== null) return [hex[0], 4];
  const next = text[at + 1] ?? '';
  if (!/^[dwsDWSntrfv!-/:-@[-`{-~ ]$/.test(next))
    throw new PatternError(
      next === '' ? '\\ at the end of a pattern' : `unknown escape \\${next}`,
      next === '' ? 'write \\\\ for a backslash' : `write ${next} alone, or \\xHH for a byte`,
    );
  return [
    /[dwsDWSntrfv]/.test(next) ? `\\${next}` : `\\x${next.charCodeAt(0).toString(16).padStart(2, '0')}`,
    2,
  ];
}

/** A whole class, its members rewritten. */
function klass(text: Text, start: number): [string, number] {
  let at = start + 1;
  let out = '[';
  if (text[at] === '^') {
    out += '^';
    at++;
  }
  if (text[at] === ']') throw new PatternError('an empty class', 'write \\[\\] for the characters');
  while (text[at] !== ']') {
    const char = text[at];
    if (char === undefined) throw new PatternError('[ without its ]', 'write \\[ for the character');
    if (char.charCodeAt(0) >= 0x80)
      throw new PatternError(
        'a class holds a character outside ASCII',
        'write the characters as alternatives: (ä|ö)',
      );
    const [piece, length] = char === '\\' ? escaped(text, at) : [char === '[' ? '\\[' : char, 1];
    if (piece === '\\S') throw new PatternError('\\S inside a class', 'write the members out');
    out += piece === '\\s' ? WHITE : piece;
    at += length;
  }
  return [`${out}]`, at + 1 - start];
}

/** The automaton of refa in numbered form, over bytes, with NUL wherever the space is. */
function flatten(nfa: NFA): ArgvAutomaton {
  const number = new Map<NFA.ReadonlyNode, number>([[nfa.initial, 0]]);
  const order: NFA.ReadonlyNode[] = [nfa.initial];
  const edges: { set: ByteSet; to: number }[][] = [];
  for (let i = 0; i < order.length; i++) {
    const row: { set: ByteSet; to: number }[] = [];
    for (const [node, chars] of order[i]!.out) {
      const set = bytesOf(chars);
      if (set.key === '') continue;
      if (!number.has(node)) number.set(node, order.push(node) - 1);
      row.push({ set, to: number.get(node)! });
    }
    edges.push(row);
  }
  const accepts = new Set<number>();
  for (const node of nfa.finals) if (number.has(node)) accepts.add(number.get(node)!);
  return { edges, accepts };
}

function bytesOf(chars: CharSet): ByteSet {
  const [first] = chars.ranges;
  if (chars.size === 1 && first!.min <= 0xff && first!.min !== SPACE && first!.min !== NUL)
    return SINGLE[first!.min]!;
  const space = chars.has(SPACE);
  return new ByteSet((byte) => (byte === NUL ? space : chars.has(byte)));
}
