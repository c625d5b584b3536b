/**
 * YAML as a policy file may use it: one document of plain maps, sequences and scalars. Anchors, aliases, tags,
 * merge keys, duplicate keys and further documents are refused, since none of them adds anything to a policy
 * and each is a known way to make a file mean something else than it seems.
 *
 * Reading is total: complaints are collected with their places, and what is wrong is left out.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  visit,
} from 'yaml';
import { type Complaint, PolicyError } from './errors.ts';
import { LIMITS, type Position } from './source.ts';

/** A file being read. Owner of `complaints`: the reading of this one file. */
export class Source {
  readonly file: string;
  readonly complaints: Complaint[] = [];
  readonly #lines = new LineCounter();

  constructor(file: string) {
    this.file = file;
  }

  complain(at: Position, message: string, hint = ''): void {
    if (this.complaints.length < 100) this.complaints.push({ ...at, message, hint });
  }

  position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** The document's root. Throws PolicyError where the text is not usable YAML. */
  parse(text: string): Item {
    const start = { file: this.file, line: 1, column: 1 };
    const fail = (message: string, hint: string) => new PolicyError([{ ...start, message, hint }]);
    if (new TextEncoder().encode(text).length > LIMITS.fileBytes)
      throw fail('the file is larger than 1 MiB', 'split or shorten it');
    if (text.trim() === '') throw fail('the file is empty', 'begin with version: 1 and rules:');
    const binary = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
    if (binary !== null) throw fail('the file holds control characters', 'a policy is a YAML text in UTF-8');
    const deep = tooDeep(text);
    if (deep !== null)
      throw new PolicyError([
        {
          ...start,
          ...deep,
          message: `nested too deeply: more than ${LIMITS.depth} levels`,
          hint: 'a policy needs five',
        },
      ]);
    let documents: Document.Parsed<ParsedNode>[];
    try {
      const parsed = parseAllDocuments<ParsedNode>(text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        strict: true,
        uniqueKeys: true,
        merge: false,
        version: '1.2',
        schema: 'core',
      });
      documents = 'empty' in parsed ? [] : parsed;
      this.#refuseTricks(documents);
    } catch (error) {
      if (error instanceof RangeError) throw fail('nested too deeply', 'a policy needs five levels');
      throw fail(`the file cannot be read: ${(error as Error).message}`, '');
    }
    const root = documents[0]?.contents ?? null;
    if (this.complaints.length > 0) throw new PolicyError(this.complaints);
    if (root === null) throw fail('the file is empty', 'begin with version: 1 and rules:');
    return new Item(this, root);
  }

  #refuseTricks(documents: readonly Document.Parsed<ParsedNode>[]): void {
    for (const document of documents)
      for (const error of document.errors)
        this.complain(this.position(error.pos[0]), yamlMessage(error.message));
    const [first, second] = documents;
    if (second !== undefined)
      this.complain(this.position(second.range[0]), 'a second document', 'a policy is one document');
    if (first === undefined) return;
    visit(first, {
      Node: (_, node) => {
        const at = this.position(node.range?.[0] ?? 0);
        if (isAlias(node)) this.complain(at, 'an alias (*name)', 'write the value out');
        else if (node.anchor !== undefined) this.complain(at, 'an anchor (&name)', 'remove it');
        if (!isAlias(node) && node.tag !== undefined)
          this.complain(at, `a tag (${node.tag.replace(/^tag:yaml.org,2002:/, '!!')})`, 'remove it');
      },
      Pair: (_, pair) => {
        if (isScalar(pair.key) && pair.key.value === '<<')
          this.complain(this.position(pair.key.range?.[0] ?? 0), 'a merge key (<<)', 'write the keys out');
      },
    });
  }
}

/**
 * Where a text nests beyond LIMITS.depth; null where it does not. Looked at before the parser is, since that
 * descends by recursion and has no limit of its own. Depth is that of brackets, of indicators in one line, and of
 * lines each indented beyond the one before.
 */
function tooDeep(text: string): { line: number; column: number } | null {
  let line = 1;
  let column = 1;
  let brackets = 0;
  let inLine = 0;
  let atStart = true;
  const indents: number[] = [];
  for (const token of new Lexer().lex(text)) {
    // Tokens of one character are marks of the lexer's own, or the structure itself.
    if (token === '[' || token === '{') brackets += 1;
    else if (token === ']' || token === '}') brackets = Math.max(0, brackets - 1);
    else if (token === '-' || token === '?') inLine += 1;
    const blank = token.trim() === '' || MARKS.has(token);
    if (atStart && !blank) {
      while ((indents.at(-1) ?? -1) >= column) indents.pop();
      indents.push(column);
      atStart = false;
    }
    if (Math.max(brackets, inLine, indents.length) > LIMITS.depth) return { line, column };
    if (MARKS.has(token)) continue;
    const lines = token.split('\n');
    if (lines.length > 1) {
      line += lines.length - 1;
      column = 1;
      inLine = 0;
      atStart = true;
    }
    column += lines.at(-1)!.length;
  }
  return null;
}

/** What the lexer adds to the text: byte-order mark, document mark, flow-error mark, scalar mark. */
const MARKS = new Set(['\u{FEFF}', '\x02', '\x18', '\x1f']);

const yamlMessage = (message: string) =>
  `not valid YAML: ${message.split('\n')[0]!.replace(/[.:]?\s*$/, '')}`;

/** One value in the file. Its readers complain and return null where the value is not of the kind asked for. */
export class Item {
  readonly source: Source;
  readonly at: Position;
  readonly #node: Node | null;

  constructor(source: Source, node: Node | null, at: Position = source.position(node?.range?.[0] ?? 0)) {
    this.source = source;
    this.#node = node;
    this.at = at;
  }

  complain(message: string, hint = ''): null {
    this.source.complain(this.at, message, hint);
    return null;
  }

  /** The values of a map by key; complains of keys that are not known. */
  map(what: string, known: readonly string[]): Map<string, Item> | null {
    if (!isMap(this.#node))
      return this.complain(`${what} must be a map, not ${this.#kind()}`, `keys: ${known.join(', ')}`);
    const items = new Map<string, Item>();
    for (const { key, value } of this.#node.items) {
      const at = this.source.position((key as Node | null)?.range?.[0] ?? 0);
      const name = isScalar(key) ? String(key.value) : '';
      if (!known.includes(name))
        this.source.complain(
          at,
          `unknown key ${JSON.stringify(name)} in ${what}`,
          `known: ${known.join(', ')}`,
        );
      else
        items.set(
          name,
          value === null ? new Item(this.source, null, at) : new Item(this.source, value as Node),
        );
    }
    return items;
  }

  /** The values of a list that is not empty. */
  list(what: string, limit: number, empty = 'leave the key out or name something'): Item[] | null {
    if (!isSeq(this.#node))
      return this.complain(`${what} must be a list, not ${this.#kind()}`, 'write [a, b] or one - per line');
    if (this.#node.items.length === 0) return this.complain(`${what} is an empty list`, empty);
    if (this.#node.items.length > limit) return this.complain(`${what} has more than ${limit} entries`);
    return this.#node.items.map(
      (node) => new Item(this.source, node as Node | null, node === null ? this.at : undefined),
    );
  }

  /** A string that is not empty. */
  string(what: string, limit: number): string | null {
    const value = this.#value();
    if (typeof value !== 'string')
      return this.complain(`${what} must be a string, not ${this.#kind()}`, 'put it in quotes');
    if (value === '') return this.complain(`${what} is empty`);
    if (Buffer.byteLength(value) > limit) return this.complain(`${what} is longer than ${limit} bytes`);
    return value;
  }

  number(what: string, valid: (value: number) => boolean, range: string): number | null {
    const value = this.#value();
    if (typeof value !== 'number' || !valid(value)) return this.complain(`${what} must be ${range}`);
    return value;
  }

  oneOf<T extends string>(what: string, values: readonly T[], hint = ''): T | null {
    const value = this.#value();
    if ((values as readonly unknown[]).includes(value)) return value as T;
    return this.complain(`${what} must be ${values.join(' or ')}, not ${this.#kind()}`, hint);
  }

  #value(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined;
  }

  #kind(): string {
    if (this.#node === null) return 'nothing';
    if (isMap(this.#node)) return 'a map';
    if (isSeq(this.#node)) return 'a list';
    const value = this.#value();
    if (value === null) return 'nothing';
    const shown = JSON.stringify(value) ?? 'this';
    return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
  }
}
