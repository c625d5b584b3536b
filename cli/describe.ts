/** Events and their objects as a person reads them, and as arguments that a shell takes back. */
import { toBytes } from '../model/bytes.ts';
import type { Event, EventObject } from '../model/event.ts';
import { safe } from './output.ts';

/** How much of one object a line shows; the trail holds the whole. */
const MAX_SHOWN = 300;

/** The object in a few words, safe to print: a path, `127.0.0.1:80 (tcp)`, a command line. */
export function describeObject(object: EventObject): string {
  return clipped(safe(objectText(object)));
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

/** The command that explains the verdict on `event` under `policy`, ready to paste into a shell. */
export function explainCommand(event: Event, policy: string, workspace?: string): string {
  const words = ['portcullis', 'policy', 'explain', '--policy', policy];
  if (workspace !== undefined) words.push('--workspace', workspace);
  if (event.object.kind === 'path' && event.object.to !== undefined) words.push('--to', event.object.to);
  words.push(event.operation, ...objectArguments(event.object));
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
      if (object.protocol === 'netlink') return ['netlink'];
      return [object.protocol === 'udp' ? `udp:${endpoint(object)}` : endpoint(object)];
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
