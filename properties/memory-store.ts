/**
 * A trail's store in memory that knows what a disk would know: which bytes were written (they survive the
 * process) and which were synced (they survive a power cut), and that fails where the scenario says.
 * Owner: the running scenario.
 */
import type { TrailFile, TrailStore } from '../monitor/audit/store.ts';

/** What goes wrong. `at` counts calls from 1, over all segments. */
export type Fault =
  | { readonly kind: 'ok' }
  /** The at-th write fails with ENOSPC after `part` of its bytes were written (0 … 1); so do all later ones. */
  | { readonly kind: 'full'; readonly at: number; readonly part: number }
  /** The at-th write fails with EIO; later ones would succeed. */
  | { readonly kind: 'write-fails'; readonly at: number }
  /** The at-th sync fails with EIO; later ones seem to succeed but prove nothing (dirty pages were dropped). */
  | { readonly kind: 'sync-fails'; readonly at: number }
  /** Every sync takes `tenths` tenths of a deadline. */
  | { readonly kind: 'slow'; readonly tenths: number };

/** One segment. */
interface Segment {
  bytes: Uint8Array;
  /** Bytes that a finished sync covers. */
  durable: number;
}

/** A record line became durable: everything up to `size` bytes of `segment`, at `step`. */
export interface Synced {
  readonly segment: number;
  readonly size: number;
  readonly step: number;
}

export class MemoryStore implements TrailStore {
  readonly contents = new Map<number, Segment>();
  readonly synced: Synced[] = [];
  /** The step of the first failure, once there was one. */
  failedAt: number | null = null;
  readonly #fault: Fault;
  readonly #step: () => number;
  readonly #pause: (what: string) => Promise<void>;
  #writes = 0;
  #syncs = 0;

  /** `step` orders what happens; `pause` resolves when a sync begun now ends. */
  constructor(fault: Fault, step: () => number, pause: (what: string) => Promise<void>) {
    this.#fault = fault;
    this.#step = step;
    this.#pause = pause;
  }

  /** A store that holds `segments`, as found after a crash. */
  static of(segments: readonly Uint8Array[], fault: Fault = { kind: 'ok' }): MemoryStore {
    const store = new MemoryStore(
      fault,
      () => 0,
      async () => {},
    );
    segments.forEach((bytes, i) => {
      store.contents.set(i + 1, { bytes, durable: bytes.length });
    });
    return store;
  }

  segments(): number[] {
    return [...this.contents.keys()].sort((a, b) => a - b);
  }

  name(segment: number): string {
    return `${String(segment).padStart(6, '0')}.jsonl`;
  }

  *read(segment: number): Iterable<Uint8Array> {
    yield this.#get(segment).bytes;
  }

  create(segment: number): TrailFile {
    if (this.contents.has(segment)) throw new Error(`EEXIST: file already exists, ${this.name(segment)}`);
    if (segment > 1 && this.failedAt === null)
      this.#durable(segment - 1, this.#get(segment - 1).bytes.length);
    this.contents.set(segment, { bytes: new Uint8Array(0), durable: 0 });
    return this.#open(segment);
  }

  reopen(segment: number, bytes: number): TrailFile {
    const found = this.#get(segment);
    found.bytes = found.bytes.slice(0, bytes);
    return this.#open(segment);
  }

  /** What survives: the process's death, or a power cut (then only what was synced, plus `torn` bytes). */
  survivors(power: boolean, torn = 0): Uint8Array[] {
    return this.segments().map((segment) => {
      const { bytes, durable } = this.#get(segment);
      return power ? bytes.slice(0, Math.min(bytes.length, durable + torn)) : bytes.slice();
    });
  }

  #get(segment: number): Segment {
    const found = this.contents.get(segment);
    if (found === undefined) throw new Error(`ENOENT: no such file, ${this.name(segment)}`);
    return found;
  }

  #open(segment: number): TrailFile {
    return {
      append: (bytes) => this.#append(segment, bytes),
      sync: () => this.#sync(segment),
      close: async () => {},
    };
  }

  #append(segment: number, bytes: Uint8Array): void {
    const write = ++this.#writes;
    const fault = this.#fault;
    if (fault.kind === 'write-fails' && write === fault.at) throw this.#error('EIO', 'i/o error, write');
    if (fault.kind === 'full' && write >= fault.at) {
      if (write === fault.at) this.#put(segment, bytes.subarray(0, Math.floor(bytes.length * fault.part)));
      throw this.#error('ENOSPC', 'no space left on device, write');
    }
    this.#put(segment, bytes);
  }

  #put(segment: number, bytes: Uint8Array): void {
    const found = this.#get(segment);
    const longer = new Uint8Array(found.bytes.length + bytes.length);
    longer.set(found.bytes);
    longer.set(bytes, found.bytes.length);
    found.bytes = longer;
  }

  async #sync(segment: number): Promise<void> {
    const sync = ++this.#syncs;
    const size = this.#get(segment).bytes.length;
    await this.#pause(`sync ${sync}`);
    const fault = this.#fault;
    if (fault.kind === 'sync-fails' && sync === fault.at) throw this.#error('EIO', 'i/o error, fdatasync');
    if (fault.kind === 'sync-fails' && sync > fault.at) return;
    this.#durable(segment, size);
  }

  #durable(segment: number, size: number): void {
    const found = this.#get(segment);
    found.durable = Math.max(found.durable, size);
    this.synced.push({ segment, size, step: this.#step() });
  }

  #error(code: string, message: string): Error {
    this.failedAt ??= this.#step();
    return Object.assign(new Error(`${code}: ${message}`), { code });
  }
}
