/**
 * The sense of a trail, beyond its chain: which payload may follow which. Shared by the verifier and recovery.
 *
 *   start (decision | reads | review | verdict | late | anomaly)* (end | recovered)    once per run
 *
 * Within a run: event numbers are given once; each review gets exactly one verdict; `late` follows an allow that
 * the monitor recorded; at `end` nothing is pending and the hook's counters agree with the records.
 * Memory: proportional to the reviews pending, the gaps in the numbering and the runs, not to the trail.
 */
import { isOperation } from '../../model/operation.ts';
import { LAYERS } from '../../model/verdict.ts';
import type { RecordedPayload } from './record.ts';

/** A set of positive integers that costs nothing while it is 1, 2, 3, … without gaps. */
export class Numbers {
  #through = 0;
  readonly #beyond = new Set<number>();

  /** The largest n such that all of 1 … n are in the set. */
  get through(): number {
    return this.#through;
  }

  has(n: number): boolean {
    return n <= this.#through || this.#beyond.has(n);
  }

  add(n: number): void {
    if (this.has(n)) return;
    this.#beyond.add(n);
    while (this.#beyond.delete(this.#through + 1)) this.#through += 1;
  }
}

/** What was counted in one run of the trail. */
export interface Tally {
  /** Numbered events: decisions and reviews. */
  events: number;
  /** Allowed reads counted without a record of their own. */
  counted: number;
}

/** State of the run that the records last belong to. Owner: whoever feeds it. */
export class Ledger {
  /** Whether a run is under way: a start without its end. */
  open = false;
  runs = 0;
  /** Id of the last run, and of the boot of the host it ran under. */
  run: string | null = null;
  boot: string | null = null;
  /** Ids of all runs. */
  readonly known = new Set<string>();
  /** Event numbers seen in the run. */
  numbers = new Numbers();
  /** Numbers of reviews without verdict, in order of arrival. */
  readonly pending = new Set<number>();
  tally: Tally = { events: 0, counted: 0 };
  /** Whether decisions are the monitor's own, recorded before it answers, and so may turn out late as well. */
  #placed = false;
  /** Events whose recorded verdict is allow and that may still turn out late. */
  readonly #allowed = new Set<number>();

  /** Takes the next payload. Returns what is wrong with it, in a sentence, or null. */
  accept(payload: RecordedPayload): string | null {
    if (payload.kind === 'start') {
      if (this.open) return 'a run starts before the one before it ended';
      this.#begin(payload);
      return null;
    }
    if (payload.kind === 'recovered') {
      if (this.pending.size > 0) return `recovered, yet ${listed(this.pending)} never got a verdict`;
      this.open = false;
      return null;
    }
    if (!this.open) return `a record of kind ${String(payload.kind)} outside a run`;
    switch (payload.kind) {
      case 'decision':
        if (payload.verdict === 'allow' && this.#placed) this.#allow(payload.event?.n);
        return misjudged(payload) ?? this.#arrive(payload.event?.n, payload.event?.operation);
      case 'review': {
        const wrong = this.#arrive(payload.event?.n, payload.event?.operation);
        if (wrong === null) this.pending.add(payload.event.n);
        return wrong;
      }
      case 'verdict':
        if (!this.pending.delete(payload.n))
          return this.numbers.has(payload.n)
            ? `a second verdict for event ${payload.n}`
            : `a verdict for event ${payload.n}, which was never put up for review`;
        if (payload.verdict === 'allow') this.#allow(payload.n);
        return misjudged(payload);
      case 'late':
        return this.#allowed.delete(payload.n) ? null : `late, yet event ${payload.n} has no recorded allow`;
      case 'reads':
        if (!Number.isSafeInteger(payload.count) || payload.count < 1) return 'a count of reads below 1';
        this.tally.counted += payload.count;
        return null;
      case 'anomaly':
        return null;
      case 'end':
        return this.#end(payload.counters);
      default:
        return `unknown kind of record ${JSON.stringify((payload as { kind?: unknown }).kind)}`;
    }
  }

  #begin({ run, boot, fast_path }: Extract<RecordedPayload, { kind: 'start' }>): void {
    this.open = true;
    this.runs += 1;
    this.run = run;
    this.known.add(run);
    this.boot = boot;
    this.numbers = new Numbers();
    this.pending.clear();
    this.#allowed.clear();
    this.#placed = fast_path !== 'native';
    this.tally = { events: 0, counted: 0 };
  }

  #arrive(n: number, operation: string): string | null {
    if (!Number.isSafeInteger(n) || n < 1) return 'an event without a number';
    if (!isOperation(operation)) return `an unknown operation ${JSON.stringify(operation)}`;
    if (this.numbers.has(n)) return `event ${n} is recorded twice`;
    this.numbers.add(n);
    this.tally.events += 1;
    return null;
  }

  /** Remembers the latest 8,192 allows: `late` follows within a flush of the disk. */
  #allow(n: number): void {
    this.#allowed.add(n);
    if (this.#allowed.size > 8192)
      for (const oldest of this.#allowed) return void this.#allowed.delete(oldest);
  }

  #end(counters: Record<string, number>): string | null {
    this.open = false;
    if (this.pending.size > 0) return `the run ended, yet ${listed(this.pending)} never got a verdict`;
    for (const name of ['events', 'counted'] as const) {
      const claimed = counters?.[name];
      if (claimed !== undefined && claimed !== this.tally[name])
        return `the hook counted ${name} = ${claimed}, the trail holds ${this.tally[name]}`;
    }
    return null;
  }
}

function misjudged(payload: { verdict: string; layer: string }): string | null {
  if (payload.verdict !== 'allow' && payload.verdict !== 'deny')
    return 'a verdict that is neither allow nor deny';
  if (!(LAYERS as readonly string[]).includes(payload.layer)) return `an unknown layer ${payload.layer}`;
  return null;
}

function listed(numbers: ReadonlySet<number>): string {
  const some = [...numbers].slice(0, 5).join(', ');
  return `${numbers.size === 1 ? 'event' : 'events'} ${some}${numbers.size > 5 ? ', …' : ''}`;
}
