/**
 * The words of an event: the byte strings that the policy's automaton reads. Most events are one word; a call
 * that does several things at once is one event with several words, and the strongest effect among them
 * decides. hooks/seccomp/native/words.cc builds the same words; a differential test holds them together.
 *
 *   path     operation NUL exe NUL path
 *   program  exec NUL exe NUL path NUL argv[0] NUL argv[1] …
 *   address  operation NUL exe NUL protocol NUL 32-hex-digits NUL port NUL host
 *   unix     operation NUL exe NUL unix NUL path
 *   process  signal NUL exe NUL path
 *
 * Implied words close the routes that would give the same power under another name:
 *   rename   on the source: rename, delete, read, write; on the destination: rename, create, write
 *   link     on the source: link, read, write; on the destination: link, create, write
 *            (a symbolic link has no source: link, create on its own path)
 *   bind     on a unix path also: create of that path
 *   script   exec of the script and exec of its interpreter
 */
import { toBytes } from './bytes.ts';
import type { Event, EventObject } from './event.ts';
import type { Operation } from './operation.ts';

/** One claim that an event makes: an operation on a single object. */
export interface Claim {
  readonly operation: Operation;
  readonly object: EventObject;
}

const RENAME_SOURCE: readonly Operation[] = ['rename', 'delete', 'read', 'write'];
const RENAME_DESTINATION: readonly Operation[] = ['rename', 'create', 'write'];
const LINK_SOURCE: readonly Operation[] = ['link', 'read', 'write'];
const LINK_DESTINATION: readonly Operation[] = ['link', 'create', 'write'];
const SYMLINK: readonly Operation[] = ['link', 'create'];

/** Every claim of the event, the primary one first. */
export function claims(event: Pick<Event, 'operation' | 'also' | 'object'>): Claim[] {
  const { operation, also, object } = event;
  const on = (path: string, operations: readonly Operation[]): Claim[] =>
    operations.map((operation) => ({ operation, object: { kind: 'path', path } }));
  if (object.kind === 'path' && operation === 'rename' && object.to !== undefined)
    return [...on(object.path, RENAME_SOURCE), ...on(object.to, RENAME_DESTINATION)];
  if (object.kind === 'path' && operation === 'link')
    return object.to === undefined
      ? on(object.path, SYMLINK)
      : [...on(object.path, LINK_SOURCE), ...on(object.to, LINK_DESTINATION)];
  if (object.kind === 'unix' && operation === 'bind' && !object.path.startsWith('@'))
    return [{ operation, object }, ...on(object.path, ['create'])];
  if (object.kind === 'program' && object.interpreter !== undefined)
    return [
      { operation, object: { kind: 'program', path: object.path, argv: object.argv } },
      { operation, object: { kind: 'program', ...object.interpreter } },
    ];
  return [operation, ...also].map((operation) => ({ operation, object }));
}

/** The word of one claim, as text. */
export function claimText(claim: Claim, exe: string): string {
  return `${claim.operation}\0${exe}\0${objectText(claim.object)}`;
}

function objectText(object: EventObject): string {
  switch (object.kind) {
    case 'path':
    case 'process':
      return object.path;
    case 'program':
      return [object.path, ...object.argv].join('\0');
    case 'address':
      return `${object.protocol}\0${object.address}\0${object.port}\0${object.host ?? ''}`;
    case 'unix':
      return `unix\0${object.path}`;
  }
}

/** The words of an event, in the order of its claims. */
export function words(event: Pick<Event, 'operation' | 'also' | 'object' | 'subject'>): Uint8Array[] {
  return claims(event).map((claim) => toBytes(claimText(claim, event.subject.exe)));
}
