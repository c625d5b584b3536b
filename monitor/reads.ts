/**
 * Allowed reads are too many to record one by one: they are counted by executable, process and rule, and a
 * record is written for each such key when a second has passed since the first count, or when there are
 * MAX_KEYS keys, or at the end. A count is in the journal from the moment of the read until it is recorded here.
 * Owner of the counts: one monitor.
 */
import type { Payload } from './audit/record.ts';
import type { Clock } from './clock.ts';
import type { CountedEntry } from './hook.ts';

const MAX_KEYS = 4096;
/** ns. */
const FLUSH_AFTER = 1e9;

interface Count {
  readonly entry: CountedEntry;
  count: number;
}

export class Reads {
  readonly #clock: Clock;
  readonly #ruleId: (index: number | null) => string | null;
  readonly #append: (payload: Payload) => void;
  #counts = new Map<string, Count>();
  #cancel: (() => void) | null = null;

  /** `append` must not throw. */
  constructor(
    clock: Clock,
    ruleId: (index: number | null) => string | null,
    append: (payload: Payload) => void,
  ) {
    this.#clock = clock;
    this.#ruleId = ruleId;
    this.#append = append;
  }

  add(entry: CountedEntry): void {
    const key = `${entry.pid} ${entry.rule} ${entry.exe}`;
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    this.#counts.set(key, { entry, count: 1 });
    if (this.#counts.size >= MAX_KEYS) this.flush();
    else this.#cancel ??= this.#clock.schedule(this.#clock.now() + FLUSH_AFTER, () => this.flush());
  }

  /** Records all counts and forgets them. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = null;
    const counts = this.#counts;
    this.#counts = new Map();
    for (const { entry, count } of counts.values())
      this.#append({
        kind: 'reads',
        exe: entry.exe,
        pid: entry.pid,
        rule: this.#ruleId(entry.rule),
        count,
      });
  }
}
