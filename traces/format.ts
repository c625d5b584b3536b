/**
 * The trace format: JSON Lines, one schema for recording and replay.
 *
 *   line 1    the header (TraceHeader): everything replay needs that is not an event
 *   then      one JudgedEvent a line (monitor/judged.ts), in the order in which the monitor had their answers:
 *             those put up for review in order of `answered`, the others in order of their numbers (order.ts)
 *   last      the footer (TraceFooter); a trace without it was cut short
 *
 * Text is JSON as JSON.stringify writes it; bytes that are not UTF-8 stand as lone surrogates (model/bytes.ts)
 * and so as `\udcXX` escapes. A version that this reader does not know is refused, not guessed at.
 */
import { OPERATIONS } from '../model/operation.ts';
import type { Environment } from '../model/policy/environment.ts';
import { LAYERS } from '../model/verdict.ts';
import type { Payload } from '../monitor/audit/record.ts';
import {
  anything,
  count,
  dictionary,
  flag,
  list,
  matching,
  nullable,
  number,
  object,
  oneOf,
  tagged,
  text,
  time,
  whole,
} from './shape.ts';

export const FORMAT = 'portcullis-trace';
export const TRACE_VERSION = 1;
/** The longest line, in bytes without its newline. */
export const MAX_TRACE_LINE = 16 << 20;

/** The trace cannot be used; the message names file, line and column. */
export class TraceError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TraceError';
  }
}

export interface TraceHeader {
  readonly format: typeof FORMAT;
  readonly version: typeof TRACE_VERSION;
  /** Wall time, ISO 8601. */
  readonly created: string;
  readonly host: { readonly kernel: string; readonly arch: string; readonly node: string };
  /** The run's first audit payload: run id, policy name and digest, hook, reviewer, fast path, observe. */
  readonly start: Extract<Payload, { kind: 'start' }>;
  /** The policy's text, where it came from, and the environment it was compiled in. */
  readonly policy: { readonly file: string; readonly source: string; readonly environment: Environment };
  /** ns between an event's arrival and its deadline. */
  readonly deadline: number;
}

export interface TraceFooter {
  /** How the command ended, and the hook's counters. */
  readonly end: Omit<Extract<Payload, { kind: 'end' }>, 'kind'>;
  /** How many events the trace holds. */
  readonly events: number;
}

const texts = list(text);
const verdict = oneOf('allow', 'deny');

export const headerShape = object({
  format: oneOf(FORMAT),
  version: oneOf(TRACE_VERSION),
  created: text,
  host: object({ kernel: text, arch: text, node: text }),
  start: object({
    kind: oneOf('start'),
    run: text,
    version: text,
    boot: text,
    command: texts,
    policy: object({ name: text, digest: text }),
    hook: text,
    reviewer: text,
    observe: flag,
    fast_path: oneOf('off', 'native', 'monitor', 'reviewer'),
    durability: oneOf('batched', 'strict'),
    record: oneOf('changes', 'all'),
  }),
  policy: object({
    file: text,
    source: text,
    environment: object(
      { home: text, workspace: text, temporary: texts, protect: texts, aliases: dictionary(text) },
      { state: text },
    ),
  }),
  deadline: time,
});

export const footerShape = object({
  end: object({ status: nullable(whole), signal: nullable(text), counters: dictionary(number) }),
  events: count,
});

const eventObject = tagged('kind', {
  path: [{ path: text }, { to: text }],
  program: [{ path: text, argv: texts }, { interpreter: object({ path: text, argv: texts }) }],
  address: [
    {
      protocol: oneOf('tcp', 'udp', 'netlink', 'other'),
      address: matching('32 hex digits', /^[0-9a-f]{32}$/),
      port: count,
    },
    { host: text },
  ],
  unix: [{ path: text }],
  process: [{ pid: count, path: text }],
});

const operation = oneOf(...OPERATIONS);

const input = tagged('type', {
  received: [{ at: time }],
  reviewed: [{ at: time, answer: object({ verdict, reason: text }, { facts: dictionary(anything) }) }],
  failed: [{ at: time, error: text, message: text }],
  recorded: [{ at: time }],
  unrecorded: [{ at: time, message: text }],
  expired: [{ at: time }],
});

export const judgedShape = object({
  event: object({
    n: count,
    operation,
    also: list(operation),
    object: eventObject,
    subject: object({ exe: text, pid: count }, { argv: texts, cwd: text }),
    received: time,
    deadline: time,
  }),
  verdict: object({ verdict, layer: oneOf(...LAYERS), rule: nullable(text), reason: text }),
  answered: time,
  enforced: flag,
  fast: flag,
  inputs: list(input),
});
