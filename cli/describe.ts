/** Events and their objects as a person reads them, and as arguments that a shell takes back. */
import { toBytes } from '../model/bytes.ts';
import type { Event, EventObject } from '../model/event.ts';
import { safe } from './output.ts';

/** How much of one object a line shows; the trail holds the whole. */
const MAX_SHOWN = 300;

/** The object in a few words, safe to print: a path, `127.0.0.1:80 (tcp)`, a command line. */
export function describeObject(object: EventObject): string {
  const text = clipped(safe(objectText(object)));
  if (object.kind !== 'program' || object.interpreter === undefined) return text;
  return `${text} (its interpreter ${clipped(safe(object.interpreter.path))})`;
}

function objectText(object: EventObject): string {
  switch (object.kind) {
    case 'path':
      return object.to === undefined ? object.path : `${object.path} -> ${object.to}`;
    case 'program':
      return [object.path, ...object.argv.slice(1)].join(' ');
    case 'address':
      return object.protocol === 'tcp' ? endpoint(object) : `${endpoint(object)} (${object.protocol})`;
    case 'unix':
      return `unix:${object.path}`;
    case 'process':
      return `process ${object.pid} (${object.path})`;
  }
}

/** What a policy was loaded with, as the user gave it; undefined where an option was not given. */
export interface PolicyChoice {
  readonly policy: string;
  readonly workspace?: string | undefined;
  readonly state?: string | undefined;
  readonly trace?: string | undefined;
}

/** The subject that `policy explain` assumes where none is named. */
export const DEFAULT_SUBJECT = '/bin/sh';

/** The command that says what the policy says of `event`, ready to paste into a shell. It names everything that
 * the event's words are made of (model/word.ts), so that it judges the same words. */
export function explainCommand(event: Event, choice: PolicyChoice): string {
  const { operation, also, object, subject } = event;
  const words = ['portcullis', 'policy', 'explain', '--policy', choice.policy];
  for (const option of ['workspace', 'state', 'trace'] as const)
    if (choice[option] !== undefined) words.push(`--${option}`, choice[option]);
  if (subject.exe !== DEFAULT_SUBJECT) words.push('--subject', subject.exe);
  for (const further of also) words.push('--also', further);
  if (object.kind === 'path' && object.to !== undefined) words.push('--to', object.to);
  if (object.kind === 'program') {
    const [name] = object.argv;
    if (name !== undefined && name !== object.path) words.push('--argv0', name);
    if (object.interpreter !== undefined) {
      words.push('--interpreter', object.interpreter.path);
      for (const argument of object.interpreter.argv) words.push('--interpreter-argv', argument);
    }
  }
  words.push(operation, ...objectArguments(object));
  return words.map(quoted).join(' ');
}

/** OBJECT as `policy explain` takes it. */
function objectArguments(object: EventObject): string[] {
  switch (object.kind) {
    case 'path':
    case 'process':
      return [object.path];
    case 'program':
      return object.argv.length > 1 ? ['--', object.path, ...object.argv.slice(1)] : [object.path];
    case 'address':
      if (object.protocol === 'netlink' || object.protocol === 'tcp') return [endpoint(object)];
      return [`${object.protocol}:${endpoint(object)}`];
    case 'unix':
      return [`unix:${object.path}`];
  }
}

/** `a.b.c.d:port`, `[v6]:port`, or `netlink:protocol`. */
function endpoint(object: Extract<EventObject, { kind: 'address' }>): string {
  if (object.protocol === 'netlink') return `netlink:${object.port}`;
  return `${addressText(object.address)}:${object.port}`;
}

/** 32 hex digits as an address: dotted for IPv4-mapped ones, else bracketed IPv6 in its shortest form. */
export function addressText(hex: string): string {
  if (hex.startsWith('00000000000000000000ffff'))
    return [24, 26, 28, 30].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
  const groups = hex.match(/.{4}/g)!.map((group) => Number.parseInt(group, 16).toString(16));
  const runs = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)];
  const longest = runs.reduce((best, run) => (run[0].length > best.length ? run[0] : best), '');
  const text = groups.join(':');
  if (longest === '') return `[${text}]`;
  const at = text.indexOf(longest);
  return `[${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}]`;
}

/** One shell word. Anything unprintable or not UTF-8 is written byte by byte in $'…'. */
export function quoted(text: string): string {
  if (/^[\w/.:=@%+,~-]+$/.test(text) && !text.startsWith('~')) return text;
  if (safe(text) === text) return `'${text.replaceAll("'", `'\\''`)}'`;
  const bytes = [...toBytes(text)].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `$'${bytes.join('')}'`;
}

function clipped(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}
