/**
 * The hook of the properties: it stands where the native hook stands and behaves as that one promises to.
 * Events get numbers in arrival order; the fast path decides by the policy's table; every entry goes through
 * the journal as real bytes, before the operation is released; a review is denied by the hook itself at its
 * deadline, whatever the monitor does; an answer counts once, and an allow never at or after the deadline.
 *
 * It also is the witness: it writes down every release and every call of `answer`, with the time and with the
 * scenario's step, which orders what happens within one instant. Owner of all state here: the scenario.
 */
import type { Event } from '../model/event.ts';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import { decide } from '../model/policy/decide.ts';
import type { Hook, HookCounters, HookEntry } from '../monitor/hook.ts';
import { decode } from '../monitor/journal.ts';
import { encode } from './journal-writer.ts';
import type { Attempt } from './universe.ts';

/** The gate opened or closed for one event. */
export interface Release {
  /** The event's number; 0 for an allowed read that is only counted. */
  readonly n: number;
  readonly verdict: 'allow' | 'deny';
  /** ns. */
  readonly at: number;
  readonly step: number;
  /** Who gave the answer: the fast path, the monitor, the hook at the deadline or because the caller was killed,
   * the kernel for a dead hook. */
  readonly by: 'fast-path' | 'monitor' | 'deadline' | 'killed' | 'death';
}

/** One call of `answer`, right or wrong. */
export interface AnswerCall {
  readonly n: number;
  readonly verdict: 'allow' | 'deny';
  readonly at: number;
  readonly step: number;
  readonly accepted: boolean;
}

export interface HookOptions {
  readonly policy: CompiledPolicy;
  /** Whether the fast path runs in the hook; otherwise everything is put up for review. */
  readonly native: boolean;
  readonly recordAll: boolean;
  /** ns from arrival to deadline. */
  readonly deadline: number;
  readonly now: () => number;
  readonly step: () => number;
}

export class ScriptedHook implements Hook {
  readonly name = 'scripted';
  /** Every attempt, in arrival order; n is 0 for an allowed read that is only counted. */
  readonly arrivals: Event[] = [];
  /** One for each arrival, once it is answered. */
  readonly releases: Release[] = [];
  readonly calls: AnswerCall[] = [];
  /** Journal records, oldest first; the first `#consumed` were read by the monitor. */
  readonly #journal: Uint8Array[] = [];
  readonly #pending = new Map<number, Event>();
  readonly #options: HookOptions;
  #consumed = 0;
  #numbered = 0;
  #counted = 0;
  #reviewed = 0;
  #expired = 0;
  #dead = false;
  #sink: (entries: readonly HookEntry[]) => void = () => {};

  constructor(options: HookOptions) {
    this.#options = options;
  }

  deliverTo(sink: (entries: readonly HookEntry[]) => void): void {
    this.#sink = sink;
  }

  /** A process attempts something at `at`; `doubted` puts it up for review whatever the table says. True when the monitor has to be woken at once. */
  arrive(attempt: Attempt, at: number, doubted: boolean): boolean {
    const { policy, native, recordAll, deadline } = this.#options;
    const times = { received: at, deadline: at + deadline };
    const { effect, rule } =
      native && !doubted ? decide(policy, attempt) : { effect: 'review' as const, rule: null };
    if (this.#dead) {
      const event = { ...attempt, n: ++this.#numbered, ...times };
      this.arrivals.push(event);
      this.#release(event.n, 'deny', at, 'death');
      return false;
    }
    if (effect === 'allow' && attempt.operation === 'read' && attempt.also.length === 0 && !recordAll) {
      this.#counted += 1;
      this.arrivals.push({ ...attempt, n: 0, ...times });
      this.#journal.push(
        encode({ kind: 'counted', exe: attempt.subject.exe, pid: attempt.subject.pid, rule }),
      );
      this.#release(0, 'allow', at, 'fast-path');
      return false;
    }
    const event: Event = { ...attempt, n: ++this.#numbered, ...times };
    this.arrivals.push(event);
    if (effect === 'review') {
      this.#reviewed += 1;
      this.#pending.set(event.n, event);
      this.#journal.push(encode({ kind: 'review', event, rule }));
      return true;
    }
    const decided = { event, verdict: effect, layer: 'policy', rule, answered: at, enforced: true } as const;
    this.#journal.push(encode({ kind: 'decided', ...decided }));
    this.#release(event.n, effect, at, 'fast-path');
    return false;
  }

  /** Denies every review whose deadline has come; called for each instant, also while the monitor hangs. */
  enforceDeadlines(now: number): void {
    for (const event of this.#pending.values()) {
      if (event.deadline > now) continue;
      this.#pending.delete(event.n);
      this.#expired += 1;
      this.#release(event.n, 'deny', event.deadline, 'deadline');
    }
  }

  /** The caller of the arrival at `index` is killed: nobody waits for an answer any more. */
  kill(index: number, at: number): void {
    const event = this.arrivals[index];
    if (event !== undefined && this.#pending.delete(event.n)) this.#release(event.n, 'deny', at, 'killed');
  }

  /** When the hook next acts by itself. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { deadline } of this.#pending.values()) next = Math.min(next ?? deadline, deadline);
    return next;
  }

  get undelivered(): boolean {
    return this.#consumed < this.#journal.length;
  }

  /** Hands everything unread to the monitor, in order. */
  deliver(): void {
    const unread = this.#journal.slice(this.#consumed);
    if (unread.length === 0) return;
    this.#sink(decode(concat(unread)).entries);
    // The journal lets go only of what has been recorded.
    if (!this.#dead) this.#consumed += unread.length;
  }

  answer(n: number, verdict: 'allow' | 'deny'): boolean {
    const at = this.#options.now();
    this.enforceDeadlines(at);
    const accepted = !this.#dead && this.#pending.delete(n);
    this.calls.push({ n, verdict, at, step: this.#options.step(), accepted });
    if (accepted) this.#release(n, verdict, at, 'monitor');
    return accepted;
  }

  /** The monitor's process is gone: the kernel fails everything that waits or comes later. */
  die(): void {
    this.#dead = true;
    this.#sink = () => {};
    for (const n of this.#pending.keys()) this.#release(n, 'deny', this.#options.now(), 'death');
    this.#pending.clear();
  }

  /** The unread part of the journal, as it lies in the file that outlives the monitor. */
  get unread(): readonly Uint8Array[] {
    return this.#journal.slice(this.#consumed);
  }

  counters(): HookCounters {
    const count = (verdict: 'allow' | 'deny') =>
      this.releases.filter((release) => release.n > 0 && release.verdict === verdict).length;
    return {
      events: this.#numbered,
      allowed: count('allow'),
      denied: count('deny'),
      counted: this.#counted,
      reviewed: this.#reviewed,
      expired: this.#expired,
    };
  }

  #release(n: number, verdict: 'allow' | 'deny', at: number, by: Release['by']): void {
    this.releases.push({ n, verdict, at, step: this.#options.step(), by });
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
