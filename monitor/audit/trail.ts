/**
 * The trail: records chained by hash, appended to segments of a store.
 *
 * Promises. When `append` returns, the record is written: it survives the death of this process. When a `sync`
 * resolves, everything appended before the call is on stable storage. Whatever is appended is on its way to
 * stable storage within `syncWithin` even if nobody asks. Concurrent syncs share one flush of the disk (group
 * commit), and at most one flush runs at a time. There is no buffer in memory, hence nothing that could fill.
 *
 * Any error is final: the failing call and every later one throw or reject, waiting syncs reject, and nothing
 * more is written, so that a trail never continues behind a gap.
 */
import type { Clock } from '../clock.ts';
import { abridge } from './abridge.ts';
import { GENESIS } from './hash.ts';
import { MAX_LINE, seal } from './line.ts';
import type { Payload, Trail } from './record.ts';
import type { TrailFile, TrailStore } from './store.ts';

/** The trail can no longer be written; the message says why. */
export class TrailError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TrailError';
  }
}

/** Where a trail ends, and so where the next record goes. */
export interface Position {
  /** Number of the last segment, 0 where there is none. */
  readonly segment: number;
  /** Its length in bytes. */
  readonly bytes: number;
  /** Seq and hash of the last record. */
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY: Position = { segment: 0, bytes: 0, seq: 0, hash: GENESIS };

export interface TrailOptions {
  readonly store: TrailStore;
  readonly clock: Clock;
  /** Where to continue; recovery finds it. Default: an empty store. */
  readonly position?: Position;
  /** A segment that would grow beyond this is closed and the next begun. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** ns between an append and the start of its flush when nobody asks for one. Default 50 ms. */
  readonly syncWithin?: number;
  /** Told once, when the trail fails. */
  readonly onFailure?: (error: TrailError) => void;
}

/** A flush that callers of `sync` wait for. */
interface Batch {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export class FileTrail implements Trail {
  readonly #store: TrailStore;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  readonly #syncWithin: number;
  readonly #onFailure: ((error: TrailError) => void) | undefined;

  // All of the following is owned by this object and changed only in its own synchronous steps.
  #file: TrailFile;
  #segment: number;
  #bytes: number;
  /** Seq of the last record written, and of the last one known to be on stable storage. */
  #seq: number;
  #synced: number;
  #hash: string;
  /** The wall time last formatted, and its text. */
  #wall = Number.NaN;
  #wallText = '';
  /** Full segments that have yet to be flushed and closed, oldest first. */
  #retired: TrailFile[] = [];
  /** The flush that the next caller of sync joins; null while nobody waits for a flush to begin. */
  #next: Batch | null = null;
  #flushing = false;
  #cancelTimer: (() => void) | null = null;
  #failure: TrailError | null = null;
  #closed: Promise<void> | null = null;

  /** Throws where the segment cannot be opened or created. */
  constructor(options: TrailOptions) {
    const position = options.position ?? EMPTY;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#segmentBytes = options.segmentBytes ?? 64 << 20;
    this.#syncWithin = options.syncWithin ?? 50e6;
    this.#onFailure = options.onFailure;
    this.#segment = Math.max(1, position.segment);
    this.#bytes = position.bytes;
    this.#seq = position.seq;
    this.#synced = position.seq;
    this.#hash = position.hash;
    this.#file =
      position.segment === 0 ? this.#store.create(1) : this.#store.reopen(position.segment, position.bytes);
  }

  /** Seq and hash of the last record. */
  get head(): { seq: number; hash: string } {
    return { seq: this.#seq, hash: this.#hash };
  }

  /** Why the trail failed; null while it works. */
  get failure(): TrailError | null {
    return this.#failure;
  }

  append(payload: Payload): number {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed !== null) throw new TrailError('the audit trail is closed');
    const mono = this.#clock.now();
    try {
      const seq = this.#seq + 1;
      const time = this.#time(this.#clock.wall());
      const line = seal({ seq, time, mono, prev: this.#hash, payload: abridge(payload) });
      const bytes = Buffer.from(`${line.text}\n`);
      if (bytes.length > MAX_LINE) throw new Error(`record ${seq} would be longer than ${MAX_LINE} bytes`);
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#segmentBytes) this.#rotate();
      this.#file.append(bytes);
      this.#bytes += bytes.length;
      this.#seq = seq;
      this.#hash = line.hash;
    } catch (error) {
      throw this.#fail(error);
    }
    this.#cancelTimer ??= this.#clock.schedule(mono + this.#syncWithin, () => {
      this.#cancelTimer = null;
      this.sync().catch(() => {}); // a failure is kept in #failure and told by onFailure
    });
    return this.#seq;
  }

  sync(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#synced === this.#seq) return Promise.resolve();
    this.#next ??= newBatch();
    const { promise } = this.#next;
    if (!this.#flushing) void this.#flush();
    return promise;
  }

  /** Flushes and closes. Rejects where the last records could not be put on stable storage. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    try {
      await this.sync();
    } finally {
      await this.#file.close();
    }
  }

  /** ISO 8601, formatted once a millisecond. */
  #time(wall: number): string {
    if (wall !== this.#wall) {
      this.#wall = wall;
      this.#wallText = new Date(wall).toISOString();
    }
    return this.#wallText;
  }

  #rotate(): void {
    const file = this.#store.create(this.#segment + 1);
    this.#retired.push(this.#file);
    this.#file = file;
    this.#segment += 1;
    this.#bytes = 0;
  }

  /** Runs one flush after another until no batch waits. Never rejects: batches carry the error. */
  async #flush(): Promise<void> {
    this.#flushing = true;
    await null; // syncs asked for in the same turn share the flush
    while (this.#next !== null) {
      const batch = this.#next;
      this.#next = null;
      // What this flush covers, fixed now: records and segments may be added while it runs.
      const seq = this.#seq;
      const file = this.#file;
      const retired = this.#retired;
      this.#retired = [];
      try {
        // Oldest first: a record is never on stable storage before the one it is chained to.
        for (const full of retired) {
          await full.sync();
          await full.close();
        }
        await file.sync();
        if (this.#failure !== null) throw this.#failure;
        this.#synced = seq;
        batch.resolve();
      } catch (error) {
        batch.reject(this.#fail(error));
      }
    }
    this.#flushing = false;
  }

  #fail(cause: unknown): TrailError {
    if (this.#failure !== null) return this.#failure;
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new TrailError(`the audit trail cannot be written: ${why}`, { cause });
    this.#next?.reject(this.#failure);
    this.#next = null;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#onFailure?.(this.#failure);
    return this.#failure;
  }
}

function newBatch(): Batch {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
