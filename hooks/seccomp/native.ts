/**
 * The native addon, typed. Loads build/portcullis.node from the checkout, whether this file runs as source or
 * from dist/. Holds no state and decides nothing.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `start` takes; all strings are bytes without NUL. */
export interface NativeOptions {
  readonly argv: readonly Uint8Array[];
  /** NAME=value. */
  readonly env: readonly Uint8Array[];
  readonly cwd: Uint8Array;
  /** Layout of model/policy/table.ts. */
  readonly table: Uint8Array;
  /** The journal file to make; it must not exist. */
  readonly journal: string;
  /** A power of two, at least 64 KiB. */
  readonly journalBytes: number;
  readonly deadlineNs: number;
  readonly observe: boolean;
  /** Record allowed reads one by one instead of counting them. */
  readonly recordAll: boolean;
  /** False: every event is put up for review. */
  readonly decideHere: boolean;
}

/** How the command ended: by exit code, by signal number, or never executed (errno). */
export interface NativeEnd {
  readonly code: number | null;
  readonly signal: number | null;
  readonly execErrno: number | null;
  /** Processes of the subject that were left and were ended. */
  readonly leftovers: number;
}

export interface NativeSession {
  readonly pid: number;
  /** A copy of the unread journal records, or null when there are none. */
  drain(): Uint8Array | null;
  /** Gives that many bytes back to the writer. */
  consumed(bytes: number): void;
  answer(n: number, allow: boolean): boolean;
  counters(): Record<
    | 'events'
    | 'allowed'
    | 'denied'
    | 'counted'
    | 'reviewed'
    | 'expired'
    | 'unrecorded'
    | 'fast_p50_ns'
    | 'fast_p99_ns',
    number
  >;
  /** Kills the command. */
  stop(): void;
}

/** What the host offers; see hooks/seccomp/native/probe.h. */
export interface NativeFacts {
  readonly release: string;
  readonly architecture: string;
  readonly uid: number;
  readonly supportedArchitecture: boolean;
  readonly userNotification: boolean;
  readonly listener: boolean;
  readonly listenerError: string | null;
  readonly syncWakeUp: boolean;
  readonly installDescriptor: boolean;
  readonly takeDescriptor: boolean;
  readonly readMemory: boolean;
  readonly seal: boolean;
  readonly threadPidfd: boolean;
  readonly openat2: boolean;
  readonly proc: boolean;
  /** Yama's ptrace_scope, -1 where there is none. */
  readonly ptraceScope: number;
  readonly privileged: boolean;
}

export interface Native {
  probe(): NativeFacts;
  /** Throws an Error with one sentence; nothing was executed then. One session per process. */
  start(options: NativeOptions, wake: () => void, exited: (end: NativeEnd) => void): NativeSession;
}

/** The addon's file. Throws where it has not been built. */
export function addonFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const root of [resolve(here, '../..'), resolve(here, '../../..')]) {
    const file = join(root, 'build', 'portcullis.node');
    if (existsSync(file)) return file;
  }
  throw new Error('the native hook has not been built: run `npm run setup`');
}

/** Loads the addon. Throws an Error that says how to mend it. */
export function loadNative(): Native {
  const file = addonFile();
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (error) {
    const [why] = (error as Error).message.split('\n');
    throw new Error(`the native hook cannot be loaded (${why}): run \`npm run setup\``, { cause: error });
  }
}
