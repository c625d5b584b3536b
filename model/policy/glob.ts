/**
 * Globs over bytes. A glob matches a whole path:
 *
 *   *        any bytes but '/'           ?      one byte but '/'
 *   **       any bytes                   [a-z]  one of these bytes, [!a-z] none of them; never '/'
 *   {a,b}    either, nested as deep as   \c     the byte c itself
 *            you like
 * Braces are written out first, as a shell does; the number of branches that gives is bounded. Then `/**` before
 * a slash or at the end may also stand for nothing: `a/**` covers the folder a itself, and with `/b` after it
 * a/b too.
 *
 * NUL is never matched. `~` and `${name}` are understood at the pattern's start only; what they stand for is
 * said by environment.ts.
 *
 * Does not know about case folding, locales or hidden files: `*` matches a leading dot.
 */
import { type Text, toBytes } from '../bytes.ts';
import { ByteSet, NOT_NUL, NOT_SLASH, NUL, SINGLE, SLASH } from './byte-set.ts';
import { PatternError } from './errors.ts';

export type Token =
  /** One byte of the set. */
  | { readonly kind: 'one'; readonly set: ByteSet }
  /** Any number of bytes of the set. */
  | { readonly kind: 'many'; readonly set: ByteSet }
  /** Nothing, or a slash and anything. */
  | { readonly kind: 'tree' };

export interface Branch {
  /** `~` (home) or the name within `${…}`; null where the branch begins with a token. */
  readonly variable: string | null;
  readonly tokens: readonly Token[];
}

const MAX_BRANCHES = 1_024;
const MAX_TOKENS = 65_536;

const BYTE: readonly Token[] = SINGLE.map((set) => ({ kind: 'one', set }));
const STAR: Token = { kind: 'many', set: NOT_SLASH };
const ANY: Token = { kind: 'many', set: NOT_NUL };
const QUESTION: Token = { kind: 'one', set: NOT_SLASH };
const TREE: Token = { kind: 'tree' };

const code = (char: string) => char.charCodeAt(0);
const [STAR_CODE, OPEN, CLOSE, COMMA, BACKSLASH, BRACKET, QUESTION_CODE] = [...'*{},\\[?'].map(code) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

/** The tokens that stand for these bytes and nothing else. */
export const literal = (bytes: Uint8Array): Token[] => Array.from(bytes, (byte) => BYTE[byte]!);

/** A text in which every byte of `path` stands for itself. */
export const escapeGlob = (path: Text): Text => path.replace(/[*?[\]{},\\~$]/g, '\\$&');

/** Parses one glob. Throws PatternError. */
export function parseGlob(text: Text): Branch[] {
  const [variable, rest] = leadingVariable(text);
  const parser = new Parser(toBytes(rest));
  const branches = parser.alternative(0);
  parser.end();
  return branches.map((tokens) => ({ variable, tokens: joinStars(tokens) }));
}

/** Two stars or more are `**`; exactly two between a slash and a slash or the end are a tree. */
function joinStars(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (let at = 0; at < tokens.length; ) {
    let stars = 0;
    while (tokens[at + stars] === STAR) stars++;
    const next = tokens[at + stars];
    if (stars === 0) out.push(tokens[at++]!);
    else {
      const whole = stars === 2 && out.at(-1) === BYTE[SLASH] && (next === undefined || next === BYTE[SLASH]);
      if (whole) out[out.length - 1] = TREE;
      else out.push(stars === 1 ? STAR : ANY);
      at += stars;
    }
  }
  return out;
}

function leadingVariable(text: Text): [string | null, Text] {
  if (text.startsWith('~')) {
    if (text !== '~' && text[1] !== '/')
      throw new PatternError(
        '~ must be followed by /',
        'write ~/… for the home folder, or \\~ for the character',
      );
    return ['~', text.slice(1)];
  }
  if (!text.startsWith('${')) return [null, text];
  const end = text.indexOf('}');
  if (end < 0) throw new PatternError(`\${ without its }`, `write \${workspace}/… or \${tmp}/…`);
  const name = text.slice(2, end);
  if (name !== 'workspace' && name !== 'tmp')
    throw new PatternError(`unknown variable \${${name}}`, `known are \${workspace} and \${tmp}`);
  const rest = text.slice(end + 1);
  if (rest !== '' && rest[0] !== '/')
    throw new PatternError(`\${${name}} must be followed by /`, `write \${${name}}/…`);
  return [name, rest];
}

/** Recursive descent over one pattern's bytes. Owner of `at`: the parse that made it. */
class Parser {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw new PatternError('} without a {', 'write \\} for the character');
  }

  /** Reads up to the end, or within braces up to a comma or closing brace, which is left unread. */
  alternative(depth: number): Token[][] {
    let branches: Token[][] = [[]];
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte === CLOSE || (byte === COMMA && depth > 0)) return branches;
      if (byte === OPEN) branches = product(branches, this.#braces(depth));
      else {
        const token = this.#token(byte);
        for (const branch of branches) branch.push(token);
      }
    }
  }

  #braces(depth: number): Token[][] {
    if (depth === 64) throw new PatternError('braces nested more than 64 deep', 'write several patterns');
    this.#at++;
    const all: Token[][] = [];
    for (;;) {
      all.push(...this.alternative(depth + 1));
      if (all.length > MAX_BRANCHES) throw tooMany();
      const byte = this.#bytes[this.#at++];
      if (byte === CLOSE) return all;
      if (byte === undefined) throw new PatternError('{ without its }', 'write \\{ for the character');
    }
  }

  #token(byte: number): Token {
    const next = this.#bytes[++this.#at];
    switch (byte) {
      case NUL:
        throw new PatternError('a pattern cannot hold a NUL byte');
      case STAR_CODE:
        return STAR;
      case QUESTION_CODE:
        return QUESTION;
      case BRACKET:
        return { kind: 'one', set: this.#class() };
      case BACKSLASH:
        if (next === undefined || next === NUL)
          throw new PatternError('\\ at the end of a pattern', 'write \\\\ for a backslash');
        this.#at++;
        return BYTE[next]!;
      default:
        return BYTE[byte]!;
    }
  }

  #class(): ByteSet {
    const negate = this.#bytes[this.#at] === code('!') || this.#bytes[this.#at] === code('^');
    if (negate) this.#at++;
    const listed = new Uint8Array(256);
    let empty = true;
    for (;;) {
      if (this.#bytes[this.#at] === code(']') && !empty) break;
      const low = this.#member();
      let high = low;
      if (this.#bytes[this.#at] === code('-') && this.#bytes[this.#at + 1] !== code(']')) {
        this.#at++;
        high = this.#member();
      }
      if (high < low) throw new PatternError('a class range runs backwards', 'write the lower byte first');
      listed.fill(1, low, high + 1);
      empty = false;
    }
    this.#at++;
    return new ByteSet((byte) => byte !== NUL && byte !== SLASH && (listed[byte] === 1) !== negate);
  }

  #member(): number {
    let byte = this.#bytes[this.#at++];
    if (byte === BACKSLASH) byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new PatternError('[ without its ]', 'write \\[ for the character');
    if (byte >= 0x80)
      throw new PatternError(
        'a class holds a byte outside ASCII',
        'write the characters as alternatives: {ä,ö}',
      );
    return byte;
  }
}

function product(left: Token[][], right: Token[][]): Token[][] {
  if (left.length * right.length > MAX_BRANCHES) throw tooMany();
  const all = left.flatMap((a) => right.map((b) => [...a, ...b]));
  if (all.reduce((sum, branch) => sum + branch.length, 0) > MAX_TOKENS) throw tooMany();
  return all;
}

const tooMany = () =>
  new PatternError(`braces multiply out to more than ${MAX_BRANCHES} alternatives`, 'write several patterns');
