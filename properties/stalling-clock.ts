/**
 * A virtual clock whose timers can be late. The properties set the time and fire due timers in two separate
 * steps, so that an event loop blocked past a deadline, and a race between a timer and an answer that fall on
 * the same instant, are ordinary cases. Owner of `time` and `timers`: the running scenario alone.
 */
import type { Clock } from '../monitor/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class StallingClock implements Clock {
  #time: number;
  #order = 0;
  #timers: Timer[] = [];

  /** `start` in nanoseconds. */
  constructor(start: number) {
    this.#time = start;
  }

  now(): number {
    return this.#time;
  }

  wall(): number {
    return 1_700_000_000_000 + Math.floor(this.#time / 1e6);
  }

  schedule(at: number, run: () => void): () => void {
    const timer = { at, order: this.#order++, run };
    this.#timers.push(timer);
    this.#timers.sort((a, b) => a.at - b.at || a.order - b.order);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time forward without firing anything. */
  set(time: number): void {
    this.#time = Math.max(this.#time, time);
  }

  /** Fires everything that is due now, in (time, insertion) order, one after another without a pause. */
  fire(): void {
    for (let due = this.#timers[0]; due !== undefined && due.at <= this.#time; due = this.#timers[0]) {
      this.#timers.shift();
      due.run();
    }
  }

  /** When the next timer is due; undefined when none waits. */
  next(): number | undefined {
    return this.#timers[0]?.at;
  }
}
