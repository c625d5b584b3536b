/**
 * A clock that moves only when told to. Timers fire in order of their time, and in order of insertion where
 * times are equal; between two timers every promise that can settle does, so code under test runs as it would
 * if time really passed. The same calls give the same run.
 */
import type { Clock } from './clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualClock implements Clock {
  #now: number;
  readonly #wallAtZero: number;
  #order = 0;
  /** Sorted by (at, order). Owner: this clock. */
  readonly #timers: Timer[] = [];

  /** `now` in ns; `wall`, in ms since the Unix epoch, is what `wall()` says at that instant. */
  constructor(now = 0, wall = 0) {
    this.#now = now;
    this.#wallAtZero = wall - now / 1e6;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return Math.floor(this.#wallAtZero + this.#now / 1e6);
  }

  schedule(at: number, run: () => void): () => void {
    const timer: Timer = { at, order: ++this.#order, run };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#timers[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** When the next timer is due, ns; null where there is none. */
  next(): number | null {
    return this.#timers[0]?.at ?? null;
  }

  /** Time goes on to `to`, stepping from timer to timer; `now()` is a timer's own time while it runs, or the
   * present where it was already overdue. */
  async advanceTo(to: number): Promise<void> {
    await settled();
    for (let at = this.next(); at !== null && at <= to; at = this.next()) {
      this.#now = Math.max(this.#now, at);
      this.#timers.shift()!.run();
      await settled();
    }
    this.#now = Math.max(this.#now, to);
  }

  /** Time goes on by `by` ns. */
  advance(by: number): Promise<void> {
    return this.advanceTo(this.#now + by);
  }

  /** Time passes and nothing runs, as when the event loop is blocked: due timers fire at the next advance. */
  stallTo(to: number): void {
    this.#now = Math.max(this.#now, to);
  }
}

/** Resolves when every promise that can settle without time passing has done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
