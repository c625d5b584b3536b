/**
 * The adversarial pre-filter: a short list of patterns that no reviewer should be asked about, because they are
 * how remote or hidden code gets run, or because they are made to deceive whoever reads them.
 *
 * Each pattern is a sequence of marks that must follow one another in a text. A mark is a regular expression
 * whose search takes time linear in the text (every repetition is bounded by characters that cannot start the
 * mark), and the marks are sought one after the other, so the whole is linear too.
 *
 * It judges what stands in names and arguments and nothing else: it does not follow scripts or variables, and
 * writing the same act another way escapes it. The policy and the other layers do not rely on it.
 */
import type { Event, EventObject } from '../../model/event.ts';
import type { Refusal } from '../../model/machine.ts';

interface Pattern {
  readonly id: string;
  readonly reason: string;
  /** The pattern is found where any of these sequences is. */
  readonly sequences: readonly (readonly RegExp[])[];
}

const FETCH = /\b(?:curl|wget|aria2c|lynx)\b/g;
/** What an interpreter's name must be followed by for it to run its standard input: the end of the command or
 * an option, but none that brings a program of its own (`sh -c`, `python3 -m json.tool`). */
const SHELL = /(?:ba|da|z|k|c|tc|fi|a)?sh\b(?=\s*(?:$|[;&|)"'`\n>]|-(?!\w{0,8}c)))/;
const LANGUAGE = /(?:python[\d.]*|perl|ruby|node|php)\b(?=\s*(?:$|[;&|)"'`\n>]|-(?:\s|$|[ius]\b)))/;
/** `| sh`, `| sudo -E bash`, `|/usr/bin/env python3`: output given to an interpreter to run. */
const INTO_INTERPRETER = new RegExp(
  String.raw`\|&?\s*(?:[\w./-]*/)?(?:(?:sudo|env|exec|nohup)\s+(?:-\w+\s+)?(?:[\w./-]*/)?)?(?:${SHELL.source}|${LANGUAGE.source})`,
  'g',
);
/** A command substitution or process substitution that fetches. */
const FETCHED_INLINE = /(?:[$<]\(|`)\s*(?:[\w./-]*\/)?(?:curl|wget)\b/g;
const RUNS_TEXT = /\b(?:(?:ba|da|z|k)?sh|eval|source|exec)\b|(?:^|[\s;&|])\.(?=\s)/g;
const DECODES = /\b(?:base(?:64|32)|openssl|xxd|uudecode|b64decode)\b/g;
const DECODE_FLAG = /\s(?:-\w{0,8}[dDr]\w{0,8}|--decode)(?=[\s|)`]|$)/g;

const IN_ARGUMENTS: readonly Pattern[] = [
  {
    id: 'prefilter/pipe-to-shell',
    reason: 'it runs what it fetches from the network, unseen',
    sequences: [
      [FETCH, INTO_INTERPRETER],
      [RUNS_TEXT, FETCHED_INLINE],
    ],
  },
  {
    id: 'prefilter/encoded-payload',
    reason: 'it decodes a hidden program and runs it',
    sequences: [
      [DECODES, DECODE_FLAG, INTO_INTERPRETER],
      [RUNS_TEXT, /(?:\$\(|`)/g, DECODES, DECODE_FLAG],
      [
        /\bpython[\d.]*\b/g,
        /\b(?:exec|eval|compile)\s*\(/g,
        /b(?:64|32|16|85)decode|fromhex|decompress|'base64'/g,
      ],
      [
        /\b(?:perl|ruby|php)\b/g,
        /\b(?:eval|system|exec)\b/g,
        /(?:decode|unpack)_?base64|base64_decode|unpack\b/g,
      ],
      [/\bnode\b/g, /\b(?:eval|Function)\s*\(/g, /['"](?:base64|hex)['"]|\batob\b/g],
    ],
  },
  {
    id: 'prefilter/control-character',
    reason: 'an argument holds a control character that can steer a terminal',
    sequences: [[/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g]],
  },
  {
    id: 'prefilter/hidden-text',
    reason: 'an argument holds invisible or direction-changing characters that deceive its reader',
    sequences: [[/[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\udb40[\udc00-\udc7f]/g]],
  },
];

const IN_NAMES: readonly Pattern[] = [
  {
    id: 'prefilter/control-character',
    reason: 'a name holds a control character',
    sequences: [[/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g]],
  },
  {
    id: 'prefilter/hidden-text',
    reason: 'a name holds invisible or direction-changing characters that deceive its reader',
    sequences: [[/[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\udb40[\udc00-\udc7f]/g]],
  },
];

export function prefilter(event: Event): Refusal | null {
  const { object } = event;
  for (const name of namesOf(object)) {
    const refusal = find(IN_NAMES, name);
    if (refusal !== null) return refusal;
  }
  if (object.kind !== 'program') return null;
  const refusal = find(IN_ARGUMENTS, object.argv.join(' '));
  if (refusal !== null || object.interpreter === undefined) return refusal;
  return find(IN_ARGUMENTS, object.interpreter.argv.join(' '));
}

function namesOf(object: EventObject): string[] {
  switch (object.kind) {
    case 'path':
      return object.to === undefined ? [object.path] : [object.path, object.to];
    case 'program':
      return object.interpreter === undefined ? [object.path] : [object.path, object.interpreter.path];
    case 'address':
      return object.host === undefined ? [] : [object.host];
    case 'unix':
      // The name of an abstract socket is bytes that nobody types.
      return object.path.startsWith('@') ? [] : [object.path];
    case 'process':
      return [];
  }
}

function find(patterns: readonly Pattern[], text: string): Refusal | null {
  for (const { id, reason, sequences } of patterns)
    for (const marks of sequences) if (inOrder(marks, text)) return { rule: id, reason };
  return null;
}

/** True when the marks occur one after the other. Taking each at its first place leaves the most room. */
function inOrder(marks: readonly RegExp[], text: string): boolean {
  let from = 0;
  for (const mark of marks) {
    mark.lastIndex = from;
    if (!mark.test(text)) return false;
    from = mark.lastIndex;
  }
  return true;
}
