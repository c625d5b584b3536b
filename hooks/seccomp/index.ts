/**
 * The seccomp hook: a command and all its descendants under a filter whose listener only this process holds.
 *
 * Promises. Nothing of the command runs before the filter guards it. Every mediated call gets exactly one
 * answer: by the native supervisor on its fast path, by `answer`, or a denial at the deadline, which the
 * native side enforces even while JavaScript is busy. Entries reach the sink in the order of their numbers, and
 * what the sink has not taken stays in the journal file. If this process dies, the kernel fails every waiting
 * and later mediated call with ENOSYS.
 *
 * Does not mediate: see ASSUMPTIONS.md. One hook per process.
 */
import { type Text, toBytes } from '../../model/bytes.ts';
import type { Hook, HookCounters, HookEntry } from '../../monitor/hook.ts';
import { decode } from '../../monitor/journal.ts';
import { loadNative, type NativeEnd, type NativeSession } from './native.ts';

/** How often the journal is read when nothing wakes us, ms. */
const DRAIN_EVERY = 20;

export interface SeccompOptions {
  /** The command and its arguments; a name without a slash is searched in the PATH of `env`. */
  readonly command: readonly Text[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: Text;
  /** The compiled policy (model/policy/table.ts). */
  readonly table: Uint8Array;
  /** Path of the journal file to make. */
  readonly journal: string;
  /** Its size: a power of two, at least 64 KiB. */
  readonly journalBytes: number;
  /** ns from an event's arrival. */
  readonly deadline: number;
  /** Record verdicts and let everything through. */
  readonly observe?: boolean;
  /** Record allowed reads one by one (tracing, `record: all`). */
  readonly recordAll?: boolean;
  /** `native`: the supervisor walks the table; `monitor`: every event is put up for review. */
  readonly fastPath?: 'native' | 'monitor';
  /** Told when the journal cannot be read: nothing is recorded from then on, so the command is ended. */
  readonly onFailure?: (error: Error) => void;
}

/** How the command ended. Exactly one of `code`, `signal` and `execErrno` says it. */
export type CommandEnd = NativeEnd;

export interface SeccompCounters extends HookCounters {
  /** Events denied without a number because the journal stayed full. */
  readonly unrecorded: number;
  /** Median and 99th percentile from notification to answer on the fast path, ns; 0 before the first. */
  readonly fast_p50_ns: number;
  readonly fast_p99_ns: number;
}

export class SeccompHook implements Hook {
  readonly name = 'seccomp';
  readonly #options: SeccompOptions;
  #sink: ((entries: readonly HookEntry[]) => void) | undefined;
  #session: NativeSession | undefined;
  #failed = false;

  constructor(options: SeccompOptions) {
    this.#options = options;
  }

  deliverTo(sink: (entries: readonly HookEntry[]) => void): void {
    this.#sink = sink;
  }

  /** Process id of the command; 0 before `start`. */
  get pid(): number {
    return this.#session?.pid ?? 0;
  }

  /**
   * Starts the command. Throws an Error with one sentence where enforcement cannot start; nothing was executed
   * then. The promise resolves after the command and everything it left behind has ended and the last entry
   * has been delivered.
   */
  start(): Promise<CommandEnd> {
    if (this.#sink === undefined) throw new Error('the hook has no monitor to deliver to');
    const o = this.#options;
    const native = loadNative();
    return new Promise((resolve, reject) => {
      const drain = () => this.#drain();
      const exited = (end: NativeEnd) => {
        clearInterval(timer);
        this.#drain();
        resolve(end);
      };
      let timer: NodeJS.Timeout | undefined;
      try {
        this.#session = native.start(
          {
            argv: o.command.map(toBytes),
            env: Object.entries(o.env).flatMap(([name, value]) =>
              value === undefined ? [] : [toBytes(`${name}=${value}`)],
            ),
            cwd: toBytes(o.cwd),
            table: o.table,
            journal: o.journal,
            journalBytes: o.journalBytes,
            deadlineNs: o.deadline,
            observe: o.observe ?? false,
            recordAll: o.recordAll ?? false,
            decideHere: o.fastPath !== 'monitor',
          },
          drain,
          exited,
        );
        timer = setInterval(drain, DRAIN_EVERY);
      } catch (error) {
        reject(error);
      }
    });
  }

  answer(n: number, verdict: 'allow' | 'deny'): boolean {
    return this.#session?.answer(n, verdict === 'allow') ?? false;
  }

  counters(): SeccompCounters {
    return (
      this.#session?.counters() ?? {
        events: 0,
        allowed: 0,
        denied: 0,
        counted: 0,
        reviewed: 0,
        expired: 0,
        unrecorded: 0,
        fast_p50_ns: 0,
        fast_p99_ns: 0,
      }
    );
  }

  /** Kills the command; the promise of `start` then resolves. */
  stop(): void {
    this.#session?.stop();
  }

  /** Delivers what is unread. The journal lets go of it only after the sink has taken it (P5). */
  #drain(): void {
    if (this.#failed) return;
    try {
      const bytes = this.#session?.drain();
      if (!bytes) return;
      const { entries } = decode(bytes);
      if (entries.length > 0) this.#sink?.(entries);
      this.#session?.consumed(bytes.length);
    } catch (error) {
      this.#failed = true;
      this.stop();
      this.#options.onFailure?.(error as Error);
    }
  }
}
