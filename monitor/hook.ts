/**
 * What every hook is to the monitor: a source of entries, in arrival order, and a place for answers.
 * Implemented by hooks/seccomp (live), by the replay driver and by the properties' scripted hook.
 */
import type { Event } from '../model/event.ts';
import type { Layer } from '../model/verdict.ts';

export type HookEntry = DecidedEntry | CountedEntry | ReviewEntry;

/** The hook decided the event on its fast path and has answered it. */
export interface DecidedEntry {
  readonly kind: 'decided';
  readonly event: Event;
  readonly verdict: 'allow' | 'deny';
  readonly layer: Layer;
  /** Index into the compiled policy's rules, or null (default, or no rule involved). */
  readonly rule: number | null;
  /** Set where layer is not `policy`: why the hook itself denied. */
  readonly reason?: string;
  /** When the answer was given, ns. */
  readonly answered: number;
  /** False in observe mode: the verdict was recorded and the operation let through. */
  readonly enforced: boolean;
}

/** An allowed read, counted and not recorded one by one. */
export interface CountedEntry {
  readonly kind: 'counted';
  readonly exe: string;
  readonly pid: number;
  readonly rule: number | null;
}

/** The event waits at the gate; the monitor owes `answer(event.n, …)` before `event.deadline`. */
export interface ReviewEntry {
  readonly kind: 'review';
  readonly event: Event;
  /** The rule by which the hook put it up for review, as an index; null for the default, absent where the hook
   * did not judge. */
  readonly rule?: number | null;
}

/** The hook's own count of what happened, to be reconciled with the trail. */
export interface HookCounters {
  /** Events given a number. */
  readonly events: number;
  readonly allowed: number;
  readonly denied: number;
  /** Allowed reads that were counted only. */
  readonly counted: number;
  readonly reviewed: number;
  /** Reviews the hook denied by itself because no answer came in time. */
  readonly expired: number;
}

export interface Hook {
  readonly name: string;
  /** Entries go to `sink` in arrival order; called once, before anything is delivered. */
  deliverTo(sink: (entries: readonly HookEntry[]) => void): void;
  /** Answers a review. False when it came too late: the hook had denied it, or the caller is gone. */
  answer(n: number, verdict: 'allow' | 'deny'): boolean;
  counters(): HookCounters;
}
