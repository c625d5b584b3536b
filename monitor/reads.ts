/**
 * Allowed reads are too many to record one by one: those of one batch from the hook are counted by executable,
 * process and rule, and recorded as one count each. Nothing is held from one batch to the next: until its count
 * is recorded, a read stands in the journal, which outlives the monitor (P5).
 * Owner of the counts: one monitor.
 */
import type { Payload } from './audit/record.ts';
import type { CountedEntry } from './hook.ts';

interface Count {
  readonly entry: CountedEntry;
  count: number;
}

export class Reads {
  readonly #ruleId: (index: number | null) => string | null;
  readonly #append: (payload: Payload) => void;
  #counts = new Map<string, Count>();

  /** `append` must not throw. */
  constructor(ruleId: (index: number | null) => string | null, append: (payload: Payload) => void) {
    this.#ruleId = ruleId;
    this.#append = append;
  }

  add(entry: CountedEntry): void {
    const key = `${entry.pid} ${entry.rule} ${entry.exe}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { entry, count: 1 });
    else known.count += 1;
  }

  /** Records all counts and forgets them. */
  flush(): void {
    for (const { entry, count } of this.#counts.values())
      this.#append({
        kind: 'reads',
        exe: entry.exe,
        pid: entry.pid,
        rule: this.#ruleId(entry.rule),
        count,
      });
    this.#counts.clear();
  }
}
