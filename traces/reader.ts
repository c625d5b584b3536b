/**
 * Reading a trace, line by line: memory is one line, whatever the trace's length. Every line is checked against
 * the format before anything of it is used; the first that does not fit is a TraceError with file, line and
 * column. A trace that ends without its footer, or whose footer counts other than was read, whose events are out of
 * order (order.ts), or whose policy is not the one of its digest, was cut or edited. Nothing is sealed: whoever
 * writes a whole trace anew is not found out.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { inWords } from '../model/errno.ts';
import { splitLines } from '../model/lines.ts';
import { policyDigest } from '../model/policy/compile.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import {
  FORMAT,
  footerShape,
  headerShape,
  judgedShape,
  MAX_TRACE_LINE,
  TRACE_VERSION,
  TraceError,
  type TraceFooter,
  type TraceHeader,
} from './format.ts';
import { columnOf } from './locate.ts';
import { EventOrder } from './order.ts';
import type { Check, Fault } from './shape.ts';

/** An open trace. Owner of the reading position: whoever iterates `events`, once. */
export interface Trace {
  readonly name: string;
  readonly header: TraceHeader;
  /** The events in the order of the file. Throws TraceError. */
  events(): Generator<JudgedEvent>;
  /** The footer; null until every event was read. */
  footer(): TraceFooter | null;
}

/** Opens a trace file and reads its header. Throws TraceError, also where the file cannot be read. */
export function openTrace(file: string): Trace {
  return readTrace(pieces(file), file);
}

/** A trace from its bytes in pieces; `name` stands in error messages. */
export function readTrace(source: Iterable<Uint8Array>, name: string): Trace {
  const lines = numbered(source, name);
  const first = lines.next();
  if (first.done) throw new TraceError(`${name}:1:1: the file is empty; a trace begins with a header line`);
  const header = readHeader(first.value.text, name);
  let footer: TraceFooter | null = null;
  return {
    name,
    header,
    footer: () => footer,
    *events() {
      const order = new EventOrder();
      let events = 0;
      let line = 1;
      for (const { text, number } of lines) {
        line = number;
        if (footer !== null) throw new TraceError(`${name}:${number}:1: more follows after the footer`);
        const value = parse(text, name, number);
        if (isFooter(value)) {
          footer = check<TraceFooter>(footerShape, value, text, name, number);
          if (footer.events !== events)
            throw new TraceError(
              `${name}:${number}:${columnOf(text, ['events'])}: the footer counts ${footer.events} events, the trace holds ${events}: lines were added or removed`,
            );
        } else {
          events += 1;
          const judged = check<JudgedEvent>(judgedShape, value, text, name, number);
          const fault = order.next(judged);
          if (fault !== null) throw faulty(fault, text, name, number);
          yield judged;
        }
      }
      if (footer === null)
        throw new TraceError(
          `${name}:${line + 1}:1: the trace ends without its footer after ${events} events: it was cut short, or its run never ended`,
        );
    },
  };
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/** The lines as text, numbered from 1. */
function* numbered(source: Iterable<Uint8Array>, name: string): Generator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let number = 0;
  for (const { bytes, whole } of splitLines(source, MAX_TRACE_LINE)) {
    number += 1;
    if (!whole && bytes.length > MAX_TRACE_LINE)
      throw new TraceError(
        `${name}:${number}:1: a line longer than ${MAX_TRACE_LINE} bytes; this is no trace`,
      );
    if (!whole)
      throw new TraceError(
        `${name}:${number}:${bytes.length + 1}: the trace ends within a line: it was cut short`,
      );
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw new TraceError(`${name}:${number}:1: the line is not UTF-8; a trace is JSON Lines in UTF-8`);
    }
    yield { text, number };
  }
}

function readHeader(text: string, name: string): TraceHeader {
  const value = parse(text, name, 1);
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format !== FORMAT)
    throw new TraceError(
      `${name}:1:${columnOf(text, ['format'])}: not a trace: its first line has no "format":"${FORMAT}"`,
    );
  if (version !== TRACE_VERSION)
    throw new TraceError(
      `${name}:1:${columnOf(text, ['version'])}: a trace of version ${JSON.stringify(version)}; this program reads version ${TRACE_VERSION}`,
    );
  const header = check<TraceHeader>(headerShape, value, text, name, 1);
  const { source, environment } = header.policy;
  if (policyDigest(source, environment) !== header.start.policy.digest)
    throw new TraceError(
      `${name}:1:${columnOf(text, ['policy', 'source'])}: the policy text does not match its digest: text, environment or digest was edited`,
    );
  return header;
}

function parse(text: string, name: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const said = (error as Error).message;
    const position = /position (\d+)/.exec(said);
    // Short texts are quoted in the message instead of giving a position.
    const column =
      position !== null ? Number(position[1]) + 1 : said.includes('end of JSON') ? text.length + 1 : 1;
    throw new TraceError(`${name}:${line}:${column}: not JSON; a trace holds one JSON object a line`);
  }
}

function isFooter(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'end' in value;
}

function check<T>(shape: Check, value: unknown, text: string, name: string, line: number): T {
  const fault = shape(value);
  if (fault === null) return value as T;
  throw faulty(fault, text, name, line);
}

function faulty({ path, what }: Fault, text: string, name: string, line: number): TraceError {
  const where = path.length === 0 ? 'the line' : path.join('.');
  return new TraceError(
    `${name}:${line}:${columnOf(text, path)}: ${where}: ${what}; edited, or not written by portcullis`,
  );
}

const PIECE = 1 << 20;

function* pieces(file: string): Generator<Uint8Array> {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new TraceError(`${file}: cannot be read: ${inWords(error)}; name a file written by run --trace`, {
      cause: error,
    });
  }
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE);
      const length = readSync(fd, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`${file}: cannot be read: ${inWords(error)}; name a file written by run --trace`, {
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}
