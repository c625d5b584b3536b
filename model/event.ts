/**
 * An event: one attempted operation of the subject, as the hook saw it. Pure data, the same in the trail, in
 * a trace and on the way to a reviewer. Paths are resolved and absolute; anonymous objects keep the kernel's
 * own name (`pipe:[123]`, `/memfd:x (deleted)`).
 *
 * Times are nanoseconds of CLOCK_MONOTONIC as a number (exact to 2 ns for 208 days of uptime).
 */
import type { Text } from './bytes.ts';
import type { Operation } from './operation.ts';

export interface Event {
  /** Arrival number within the run: 1, 2, 3, … */
  readonly n: number;
  readonly operation: Operation;
  /** Further operations the same call performs on the same object (an open for reading and writing is
   * `write` with `also: ['read']`; one with O_TRUNC on an existing file adds `truncate`). */
  readonly also: readonly Operation[];
  readonly object: EventObject;
  readonly subject: Subject;
  /** When the hook received the event. */
  readonly received: number;
  /** No allow may be given at or after this time. */
  readonly deadline: number;
}

/** The process that attempts the operation. `argv` and `cwd` are context for reviewers, present on reviews. */
export interface Subject {
  /** Resolved path of the executable image. */
  readonly exe: Text;
  /** Thread group id. */
  readonly pid: number;
  readonly argv?: readonly Text[];
  readonly cwd?: Text;
}

export type EventObject = PathObject | ProgramObject | AddressObject | SocketObject | ProcessObject;

/** A file-system object. `to` is the second name of a rename or link. */
export interface PathObject {
  readonly kind: 'path';
  readonly path: Text;
  readonly to?: Text;
}

/** What exec would run. `interpreter` is the program a `#!` script names, judged as well. */
export interface ProgramObject {
  readonly kind: 'program';
  readonly path: Text;
  readonly argv: readonly Text[];
  readonly interpreter?: { readonly path: Text; readonly argv: readonly Text[] };
}

/** A network address. IPv4 is written as its IPv4-mapped IPv6 address (::ffff:a.b.c.d). */
export interface AddressObject {
  readonly kind: 'address';
  readonly protocol: 'tcp' | 'udp' | 'netlink' | 'other';
  /** 16 bytes as 32 lower-case hex digits. */
  readonly address: string;
  readonly port: number;
  /** Host name, where known; this version never knows it. */
  readonly host?: string;
}

/** A unix-domain socket: an absolute path, or `@name` for the abstract name space. */
export interface SocketObject {
  readonly kind: 'unix';
  readonly path: Text;
}

/** The process a signal is sent to; `path` is its executable. */
export interface ProcessObject {
  readonly kind: 'process';
  readonly pid: number;
  readonly path: Text;
}
