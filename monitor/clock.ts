/**
 * Time as the monitor sees it. Everything below `monitor/` takes its time from a Clock, so that replay and the
 * properties can run the same code under virtual time.
 */
export interface Clock {
  /** Nanoseconds of a monotonic clock; on a host, CLOCK_MONOTONIC. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  wall(): number;
  /** Calls `run` once, at or after `at` (nanoseconds of `now`). Returns a function that cancels it. */
  schedule(at: number, run: () => void): () => void;
}

/** The host's clocks. */
export const hostClock: Clock = {
  now: () => Number(process.hrtime.bigint()),
  wall: () => Date.now(),
  schedule(at, run) {
    const delay = Math.max(0, Math.ceil((at - this.now()) / 1e6));
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
};
