/**
 * What the audit trail records. A payload is a pure function of what happened (event, policy, answers,
 * times), so replay can rebuild it byte for byte (P8); the envelope adds what only the host knows.
 */
import type { Text } from '../../model/bytes.ts';
import type { FastPath } from '../../model/configuration.ts';
import type { Event } from '../../model/event.ts';
import type { Layer } from '../../model/verdict.ts';

/** `n` is the event number given by the hook; times are ns of CLOCK_MONOTONIC. */
export type Payload =
  | {
      kind: 'start';
      run: string;
      version: string;
      boot: string;
      command: string[];
      policy: { name: string; digest: string };
      hook: string;
      reviewer: string;
      observe: boolean;
      fast_path: FastPath;
      durability: 'batched' | 'strict';
      record: 'changes' | 'all';
    }
  /** A fast-path verdict, already given. */
  | ({ kind: 'decision'; event: Event; answered: number; enforced: boolean } & Judged)
  /** Allowed reads since the last such record, by executable, process and rule. */
  | { kind: 'reads'; exe: string; pid: number; rule: string | null; count: number }
  /** An event put up for review; a `verdict` with the same n follows, or recovery adds one. */
  | { kind: 'review'; event: Event; rule: string | null }
  /** The verdict on a reviewed event. A reviewed allow is on stable storage before the operation runs. */
  | ({
      kind: 'verdict';
      n: number;
      answered: number;
      enforced: boolean;
      reviewer?: {
        name: string;
        input: string;
        verdict?: string;
        reason?: string;
        error?: string;
        facts?: unknown;
      };
    } & Judged)
  /** A recorded allow that was not released: the hook had denied the event by then. */
  | { kind: 'late'; n: number }
  | { kind: 'anomaly'; what: string; detail: string }
  /** Written by recovery after a monitor died. */
  | { kind: 'recovered'; cut_bytes: number; from_journal: number; denied_pending: number[] }
  | { kind: 'end'; status: number | null; signal: string | null; counters: Record<string, number> };

interface Judged {
  verdict: 'allow' | 'deny';
  layer: Layer;
  rule: string | null;
  reason: string;
}

export type { FastPath };

/** What stands in the trail for an argument list of more than 4 KiB (abridge.ts); a trace keeps it whole. */
export interface AbridgedArguments {
  /** The leading arguments that fit in 1 KiB. */
  head: Text[];
  /** How many arguments there are, and their bytes, each counted with its ending NUL. */
  count: number;
  bytes: number;
  /** BLAKE3 of those bytes, hex. */
  digest: string;
}

/** `T` with every argument list whole or abridged. */
export type Abridgeable<T> = T extends object
  ? { [K in keyof T]: K extends 'argv' | 'command' ? T[K] | AbridgedArguments : Abridgeable<T[K]> }
  : T;

/** A payload as the trail holds it. */
export type RecordedPayload = Abridgeable<Payload>;

/** One line of the trail. `hash` covers every other field and, through `prev`, all records before it. */
export interface TrailRecord {
  /** 1, 2, 3, … without gaps over the whole trail. */
  seq: number;
  /** Wall time, ISO 8601 with milliseconds, UTC. */
  time: string;
  /** ns of CLOCK_MONOTONIC when the record was made. */
  mono: number;
  payload: RecordedPayload;
  /** Hash of the record before; 64 zeros in the first. */
  prev: string;
  hash: string;
}

/** Where records go. Owner of the files behind it: the trail alone. */
export interface Trail {
  /** Appends in chain order and returns the record's seq. Throws once the trail has failed. */
  append(payload: Payload): number;
  /** Resolves when everything appended before the call is on stable storage; rejects if it cannot be. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
