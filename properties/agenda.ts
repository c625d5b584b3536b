/**
 * What the world outside the monitor will do, and when: processes that attempt things, reviewers that come to
 * an answer, disks that finish a sync. Ordered by time, then by insertion. Owner: the running scenario.
 */
export interface Item {
  readonly at: number;
  readonly run: () => void;
}

export class Agenda {
  #items: Item[] = [];

  add(at: number, run: () => void): void {
    let i = this.#items.length;
    while (i > 0 && this.#items[i - 1]!.at > at) i -= 1;
    this.#items.splice(i, 0, { at, run });
  }

  next(): number | undefined {
    return this.#items[0]?.at;
  }

  /** Takes out the first item that is due at `now`. */
  due(now: number): Item | undefined {
    const first = this.#items[0];
    return first !== undefined && first.at <= now ? this.#items.shift() : undefined;
  }
}
