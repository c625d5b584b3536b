/**
 * The monitor: takes a hook's entries in arrival order, records what the hook decided, judges what it put up for
 * review, and answers.
 *
 * Promises. Each review gets exactly one answer: by its deadline, as far as timers fire, and else by the next
 * thing that happens to it; never an allow at or after it. An allow is answered only after its record: on stable
 * storage where a reviewer decided (and in every case with `durability: strict`), written where policy did. Any
 * doubt is a denial: a failed trail, too many waiting, a layer or reviewer that throws, an answer that is
 * malformed, late or missing, the end of the run. Once the trail has failed, everything that waits or comes
 * later is denied, and `onFatal` is told, because the hook's own fast path is not in the monitor's hands.
 *
 * It does not start or stop the reviewer, and it does not close the trail: whoever made them does.
 */
import type { Event } from '../model/event.ts';
import { MONITOR_FAILED } from '../model/input.ts';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import type { FastPath, Payload, Trail } from './audit/record.ts';
import type { Clock } from './clock.ts';
import { type Counters, newCounters } from './counters.ts';
import { courtOf, groundsOf, ruleId } from './court.ts';
import type { DecidedEntry, Hook, HookEntry } from './hook.ts';
import type { Input, JudgedEvent } from './judged.ts';
import { type Act, type Court, Judgement } from './judgement.ts';
import { Reads } from './reads.ts';
import { checkedAnswer } from './reviewers/answer.ts';
import { type Reviewer, ReviewerError, type ReviewRequest } from './reviewers/contract.ts';

export interface Limits {
  /** Reviews that may wait at once; more are denied. */
  readonly pending: number;
}

export const DEFAULT_LIMITS: Limits = { pending: 4096 };

/** Anomalies that are recorded; more are only counted. */
const MAX_ANOMALIES = 1000;

export interface MonitorOptions {
  readonly policy: CompiledPolicy;
  readonly hook: Hook;
  readonly reviewer: Reviewer;
  readonly trail: Trail;
  readonly clock: Clock;
  readonly fastPath: FastPath;
  /** Record verdicts, deny nothing, ask no reviewer. */
  readonly observe: boolean;
  readonly limits?: Partial<Limits>;
  /** Told of each event once it is answered (fast-path events: once recorded). */
  readonly observer?: (judged: JudgedEvent) => void;
  /** Told of what should not happen and harms no promise. */
  readonly onAnomaly?: (what: string, detail: string) => void;
  /** Told once, when the trail has failed. */
  readonly onFatal?: (message: string) => void;
}

/** A review that waits. */
interface Waiting {
  readonly judgement: Judgement;
  /** Cancels the deadline's timer. */
  cancel: () => void;
  /** Tells the reviewer that nobody waits for its answer any more; null where none was asked. */
  abort: AbortController | null;
}

export class Monitor {
  /** Counts since the start; read them whenever you like. */
  readonly counters: Counters = newCounters();
  readonly #options: MonitorOptions;
  readonly #limits: Limits;
  readonly #court: Court;
  readonly #reads: Reads;

  // All of the following is owned by this object and changed only in its own synchronous steps.
  readonly #waiting = new Map<number, Waiting>();
  /** Those who wait for nothing to wait. */
  #idlers: (() => void)[] = [];
  /** Number of the last review taken up. */
  #last = 0;
  /** Why the trail failed; null while it works. */
  #fatal: string | null = null;
  #stopped = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#court = courtOf(options.policy, {
      fastPath: options.fastPath,
      observe: options.observe,
      reviewer: options.reviewer.name,
    });
    this.#reads = new Reads(
      (index) => ruleId(options.policy, index),
      (payload) => void this.#append(payload),
    );
    options.hook.deliverTo((entries) => {
      for (const entry of entries) this.#take(entry);
      this.#reads.flush();
    });
  }

  /** How many reviews wait. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Why the trail failed; null while it works. */
  get fatal(): string | null {
    return this.#fatal;
  }

  /** Resolves as soon as no review waits. */
  idle(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idlers.push(resolve));
  }

  /** Denies what waits and puts all records on stable storage (a failure to do so is told
   * by onFatal). Entries that come later are still recorded, and their reviews denied. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const waiting of [...this.#waiting.values()]) this.#failOne(waiting, ENDED);
    try {
      await this.#options.trail.sync();
    } catch (error) {
      this.fail(messageOf(error));
    }
  }

  /** The trail has failed: everything that waits or comes later is denied. */
  fail(message: string): void {
    if (this.#fatal !== null) return;
    this.#fatal = message;
    for (const waiting of [...this.#waiting.values()]) this.#feed(waiting, this.#unrecorded(message));
    this.#tell(() => this.#options.onFatal?.(message));
  }

  /** Records something that should not have happened. */
  anomaly(what: string, detail: string): void {
    this.counters.anomalies += 1;
    if (this.counters.anomalies <= MAX_ANOMALIES) this.#append({ kind: 'anomaly', what, detail });
    this.#tell(() => this.#options.onAnomaly?.(what, detail));
  }

  #take(entry: HookEntry): void {
    switch (entry.kind) {
      case 'decided':
        this.#decided(entry);
        break;
      case 'counted':
        this.counters.counted += 1;
        this.#reads.add(entry);
        break;
      case 'review':
        this.#review(entry.event);
        break;
    }
  }

  /** Records what the hook has decided and answered. */
  #decided(entry: DecidedEntry): void {
    const { event, verdict, layer, answered, enforced } = entry;
    const { rule, reason } = groundsOf(this.#options.policy, entry.rule, verdict);
    const judged = { verdict, layer, rule, reason: entry.reason ?? reason };
    this.#append({ kind: 'decision', event, answered, enforced, ...judged });
    this.#conclude({ event, verdict: judged, answered, enforced, fast: true, inputs: [] });
  }

  #review(event: Event): void {
    if (event.n <= this.#last) {
      this.anomaly(
        'event-repeated',
        `event ${event.n} came after event ${this.#last}; it was not judged again`,
      );
      return;
    }
    this.#last = event.n;
    this.counters.reviewed += 1;
    const waiting: Waiting = {
      judgement: new Judgement(this.#court, event),
      cancel: () => {},
      abort: null,
    };
    const full = this.#waiting.size >= this.#limits.pending;
    this.#waiting.set(event.n, waiting);
    if (this.#fatal !== null) this.#feed(waiting, this.#unrecorded(this.#fatal));
    else if (this.#stopped) this.#failOne(waiting, ENDED);
    else if (full) this.#failOne(waiting, `${this.#limits.pending} operations already wait for an answer`);
    else this.#begin(waiting);
  }

  #begin(waiting: Waiting): void {
    const { clock } = this.#options;
    this.#feed(waiting, { type: 'received', at: clock.now() });
    if (waiting.judgement.settled) return;
    waiting.cancel = clock.schedule(waiting.judgement.event.deadline, () =>
      this.#feed(waiting, { type: 'expired', at: clock.now() }),
    );
  }

  /** Gives an input to the judgement and does what comes of it. Inputs after the end do nothing. */
  #feed(waiting: Waiting, input: Input): void {
    const { judgement } = waiting;
    const acts = judgement.accept(input);
    const inputs = judgement.inputs.length;
    for (const act of acts) {
      this.#perform(waiting, act);
      // Performing an act may have brought a further input (the trail failed): the remaining acts are void.
      if (judgement.inputs.length !== inputs) break;
    }
    if (judgement.settled && this.#waiting.delete(judgement.event.n)) this.#close(waiting);
  }

  #perform(waiting: Waiting, act: Act): void {
    const { trail, clock } = this.#options;
    const { judgement } = waiting;
    switch (act.do) {
      case 'append':
        if (!this.#append(act.payload) && !judgement.settled)
          this.#feed(waiting, this.#unrecorded(this.#fatal ?? 'the trail failed'));
        break;
      case 'commit':
        if (act.durable)
          attempt(() => trail.sync()).then(
            () => this.#feed(waiting, { type: 'recorded', at: clock.now() }),
            (error) => this.fail(messageOf(error)),
          );
        else this.#feed(waiting, { type: 'recorded', at: clock.now() });
        break;
      case 'ask':
        this.#ask(waiting, act.request);
        break;
      case 'answer':
        if (!this.#answer(judgement.event.n, act.verdict) && act.verdict === 'allow')
          this.#feed(waiting, { type: 'expired', at: clock.now() });
        break;
    }
  }

  #ask(waiting: Waiting, request: ReviewRequest | null): void {
    const { reviewer, clock } = this.#options;
    if (request === null) {
      // Policy has decided; the event only takes its turn.
      const turn = { verdict: 'deny', reason: 'decided by policy' } as const;
      queueMicrotask(() => this.#feed(waiting, { type: 'reviewed', at: clock.now(), answer: turn }));
      return;
    }
    const abort = new AbortController();
    waiting.abort = abort;
    const done = (input: Input): void => {
      waiting.abort = null;
      this.#feed(waiting, input);
    };
    attempt(() => reviewer.review(request, abort.signal))
      .then(checkedAnswer)
      .then(
        (answer) => done({ type: 'reviewed', at: clock.now(), answer }),
        (error) => done({ type: 'failed', at: clock.now(), ...failureOf(error) }),
      );
  }

  /** False where the hook did not take the answer. */
  #answer(n: number, verdict: 'allow' | 'deny'): boolean {
    try {
      return this.#options.hook.answer(n, verdict);
    } catch (error) {
      this.anomaly('hook-failed', `answering event ${n}: ${messageOf(error)}`);
      return false;
    }
  }

  #close(waiting: Waiting): void {
    waiting.cancel();
    waiting.abort?.abort();
    this.#conclude(waiting.judgement.judged());
    if (this.#waiting.size > 0) return;
    const idlers = this.#idlers;
    this.#idlers = [];
    for (const resolve of idlers) resolve();
  }

  #conclude(judged: JudgedEvent): void {
    const { verdict, inputs } = judged;
    this.counters.events += 1;
    if (verdict.verdict === 'allow') this.counters.allowed += 1;
    else {
      this.counters.denied += 1;
      this.counters.deniedBy[verdict.layer] += 1;
    }
    if (inputs.at(-1)?.type === 'expired') this.counters.late += 1;
    this.#tell(() => this.#options.observer?.(judged));
  }

  #failOne(waiting: Waiting, message: string): void {
    this.#feed(waiting, { type: 'failed', at: this.#options.clock.now(), error: MONITOR_FAILED, message });
  }

  #unrecorded(message: string): Input {
    return { type: 'unrecorded', at: this.#options.clock.now(), message };
  }

  /** False where the trail has failed. */
  #append(payload: Payload): boolean {
    if (this.#fatal === null)
      try {
        this.#options.trail.append(payload);
        return true;
      } catch (error) {
        this.fail(messageOf(error));
      }
    this.counters.unrecorded += 1;
    return false;
  }

  /** Runs an observer; what it throws is an anomaly of its own and harms nothing else. */
  #tell(observer: () => void): void {
    try {
      observer();
    } catch {
      this.counters.anomalies += 1;
    }
  }
}

const ENDED = 'the run ended while this waited';

/** Turns a throw into a rejection. */
async function attempt<T>(run: () => Promise<T>): Promise<T> {
  return await run();
}

function failureOf(error: unknown): { error: string; message: string } {
  if (error instanceof ReviewerError) return { error: error.kind, message: error.message };
  return { error: 'failed', message: `the reviewer failed: ${messageOf(error)}` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
