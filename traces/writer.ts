/**
 * Writing a trace. Lines are gathered up to 64 KiB and then written at once, synchronously: memory is bounded
 * and a slow disk slows the caller instead of filling it. A write error stops the trace, never the gate: it is
 * told once through `onFailure`, `write` does nothing from then on, and `end` throws it. Such a trace has no
 * footer, and every reader says so.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { inWords } from '../model/errno.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import { TraceError, type TraceFooter, type TraceHeader } from './format.ts';

const GATHER = 64 << 10;

/** Where the bytes go; a file, or memory in tests. */
export interface TraceSink {
  write(bytes: Uint8Array): void;
  close(): void;
}

export class TraceWriter {
  readonly #sink: TraceSink;
  readonly #onFailure: ((error: TraceError) => void) | undefined;
  #gathered: string[] = [];
  #size = 0;
  #events = 0;
  #failure: TraceError | null = null;
  #ended = false;

  /** Writes the header at once; throws TraceError where that fails. */
  constructor(sink: TraceSink, header: TraceHeader, onFailure?: (error: TraceError) => void) {
    this.#sink = sink;
    this.#gather(header);
    this.flush();
    if (this.#failure !== null) throw this.#failure;
    this.#onFailure = onFailure;
  }

  /** Adds an event. Never throws: the gate must not stand still because a trace cannot be written. */
  write(judged: JudgedEvent): void {
    if (this.#failure !== null || this.#ended) return;
    this.#events += 1;
    this.#gather(judged);
    if (this.#size >= GATHER) this.flush();
  }

  /** Writes what is gathered, so that readers who follow the file see it. */
  flush(): void {
    if (this.#failure !== null || this.#size === 0) return;
    const bytes = Buffer.from(this.#gathered.join(''));
    this.#gathered = [];
    this.#size = 0;
    try {
      this.#sink.write(bytes);
    } catch (error) {
      this.#failure = new TraceError(`the trace cannot be written: ${inWords(error)}`, {
        cause: error,
      });
      this.#onFailure?.(this.#failure);
    }
  }

  /** Adds the footer and closes. Throws TraceError where any of the trace could not be written. */
  end(end: TraceFooter['end']): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gather({ end, events: this.#events } satisfies TraceFooter);
    this.flush();
    this.#sink.close();
    if (this.#failure !== null) throw this.#failure;
  }

  #gather(value: unknown): void {
    const line = `${JSON.stringify(value)}\n`;
    this.#gathered.push(line);
    this.#size += line.length;
  }
}

/** A new trace file, readable by its owner alone. Throws TraceError, also where anything of that name exists: a
 * recording is not lost to a slip. */
export function createTrace(
  file: string,
  header: TraceHeader,
  onFailure?: (error: TraceError) => void,
): TraceWriter {
  let fd: number;
  try {
    fd = openSync(file, 'wx', 0o600);
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new TraceError(
      exists
        ? `${file} exists; name another file or remove it`
        : `${file}: the trace cannot be written: ${inWords(error)}; name a file in a folder that you may write`,
      { cause: error },
    );
  }
  const sink: TraceSink = {
    write(bytes) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    },
    close: () => closeSync(fd),
  };
  return new TraceWriter(sink, header, onFailure);
}
