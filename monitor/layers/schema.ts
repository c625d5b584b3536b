/**
 * The schema layer: is this an event at all? Shape, limits and resolved names, checked again here although
 * hooks promise them, because everything behind (reviewers, trail) relies on them. Written by hand: it runs for
 * every review and costs about a microsecond.
 *
 * It answers what is wrong in one sentence that never quotes the event.
 */
import type { Event, EventObject, Subject } from '../../model/event.ts';
import type { Refusal } from '../../model/machine.ts';
import { isOperation, type Operation } from '../../model/operation.ts';

/** The kernel's PATH_MAX and its ` (deleted)` mark. */
export const MAX_PATH = 4096 + 64;
/** Arguments of one program, counted in UTF-16 units with one for each ending NUL. */
export const MAX_ARGUMENTS = 256 * 1024;
const MAX_HOST = 253;
/** Longest time from arrival to deadline: a day, ns. */
const MAX_WAIT = 24 * 3600e9;

const KIND_OF: Readonly<Partial<Record<Operation, readonly EventObject['kind'][]>>> = {
  exec: ['program'],
  connect: ['address', 'unix'],
  bind: ['address', 'unix'],
  send: ['address', 'unix'],
  signal: ['process'],
};
const PATH_KIND: readonly EventObject['kind'][] = ['path'];

export function schema(event: Event): Refusal | null {
  const wrong = flawOf(event);
  return wrong === null ? null : { rule: null, reason: `not a well-formed event: ${wrong}` };
}

function flawOf(event: Event): string | null {
  if (!Number.isSafeInteger(event.n) || event.n < 1) return 'its number is not a positive integer';
  if (!isOperation(event.operation)) return 'unknown operation';
  if (!Array.isArray(event.also) || event.also.length > 8 || !event.also.every(onPaths))
    return 'unknown further operations';
  return timesFlaw(event) ?? objectFlaw(event.operation, event.object) ?? subjectFlaw(event.subject);
}

const onPaths = (operation: Operation): boolean => isOperation(operation) && KIND_OF[operation] === undefined;

function timesFlaw({ received, deadline }: Event): string | null {
  if (!Number.isFinite(received) || !Number.isFinite(deadline) || received < 0)
    return 'times are not numbers';
  if (deadline < received) return 'its deadline lies before its arrival';
  return deadline - received <= MAX_WAIT ? null : 'its deadline is more than a day away';
}

function subjectFlaw(subject: Subject): string | null {
  if (typeof subject !== 'object' || subject === null) return 'no subject';
  if (!isPid(subject.pid)) return "the subject's process id is not a positive integer";
  return (
    pathFlaw(subject.exe, "the subject's executable") ??
    (subject.cwd === undefined ? null : pathFlaw(subject.cwd, "the subject's working directory")) ??
    (subject.argv === undefined ? null : argumentsFlaw(subject.argv, "the subject's arguments"))
  );
}

function objectFlaw(operation: Operation, object: EventObject): string | null {
  if (typeof object !== 'object' || object === null) return 'no object';
  if (!(KIND_OF[operation] ?? PATH_KIND).includes(object.kind)) return 'operation and object do not fit';
  switch (object.kind) {
    case 'path':
      return (
        pathFlaw(object.path, 'the path') ??
        (object.to === undefined ? null : pathFlaw(object.to, 'the second path'))
      );
    case 'program': {
      const { interpreter } = object;
      return (
        pathFlaw(object.path, 'the program') ??
        argumentsFlaw(object.argv, 'the arguments') ??
        (interpreter === undefined
          ? null
          : (pathFlaw(interpreter.path, 'the interpreter') ??
            argumentsFlaw(interpreter.argv, "the interpreter's arguments")))
      );
    }
    case 'address':
      if (!['tcp', 'udp', 'netlink', 'other'].includes(object.protocol)) return 'unknown protocol';
      if (typeof object.address !== 'string' || !/^[0-9a-f]{32}$/.test(object.address))
        return 'the address is not 32 hex digits';
      if (!Number.isInteger(object.port) || object.port < 0 || object.port > 65_535)
        return 'the port is not a number from 0 to 65535';
      return object.host === undefined || (isText(object.host) && object.host.length <= MAX_HOST)
        ? null
        : 'the host name is too long';
    case 'unix':
      if (!isText(object.path) || object.path.length > MAX_PATH) return 'the socket path is too long';
      return object.path.startsWith('@') ? null : pathFlaw(object.path, 'the socket path');
    case 'process':
      return Number.isInteger(object.pid)
        ? pathFlaw(object.path, "the target's executable")
        : "the target's process id is not an integer";
  }
}

/** An empty, `.` or `..` component: the name has not been resolved. */
const UNRESOLVED = /\/\.{0,2}(?:\/|$)/;
/** The kernel's names for what has no path: `pipe:[1]`, `anon_inode:[eventpoll]`. */
const KERNEL_NAME = /^[a-z_]+:/;

function pathFlaw(path: unknown, what: string): string | null {
  if (!isText(path) || path === '') return `${what} is empty or holds a NUL`;
  if (path.length > MAX_PATH) return `${what} is longer than ${MAX_PATH} bytes`;
  if (!path.startsWith('/')) return KERNEL_NAME.test(path) ? null : `${what} is not absolute`;
  return path !== '/' && UNRESOLVED.test(path) ? `${what} is not resolved` : null;
}

function argumentsFlaw(argv: unknown, what: string): string | null {
  if (!Array.isArray(argv)) return `${what} are missing`;
  let size = argv.length;
  for (const argument of argv) {
    if (!isText(argument)) return `${what} hold a NUL or something that is not text`;
    size += argument.length;
  }
  return size <= MAX_ARGUMENTS ? null : `${what} are longer than ${MAX_ARGUMENTS} bytes`;
}

const isPid = (pid: unknown): boolean => Number.isSafeInteger(pid) && (pid as number) > 0;
const isText = (text: unknown): text is string => typeof text === 'string' && !text.includes('\0');
