/**
 * The trace format: JSON Lines, one schema for recording and replay.
 *
 *   line 1    the header (TraceHeader): everything replay needs that is not an event
 *   then      one JudgedEvent a line (monitor/judged.ts), in the order in which they were answered
 *   last      the footer (TraceFooter); a trace without it was cut short
 *
 * Text is JSON as JSON.stringify writes it; bytes that are not UTF-8 stand as lone surrogates (model/bytes.ts)
 * and so as `\udcXX` escapes. A version that this reader does not know is refused, not guessed at.
 */
import { z } from 'zod';
import { OPERATIONS } from '../model/operation.ts';
import { LAYERS } from '../model/verdict.ts';
import type { JudgedEvent } from '../monitor/judged.ts';

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

const count = z.int().nonnegative();
/** ns; beyond 2^53 after 104 days of uptime, hence not `int`. */
const time = z.number().nonnegative();
const verdict = z.enum(['allow', 'deny']);
const rule = z.string().nullable();
const layer = z.enum(LAYERS);
const operation = z.enum(OPERATIONS);
const texts = z.array(z.string());

const start = z.strictObject({
  kind: z.literal('start'),
  run: z.string(),
  version: z.string(),
  boot: z.string(),
  command: texts,
  policy: z.strictObject({ name: z.string(), digest: z.string() }),
  hook: z.string(),
  reviewer: z.string(),
  observe: z.boolean(),
  fast_path: z.enum(['off', 'native', 'monitor', 'reviewer']),
  durability: z.enum(['batched', 'strict']),
  record: z.enum(['changes', 'all']),
});

export const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(TRACE_VERSION),
  /** Wall time, ISO 8601. */
  created: z.string(),
  host: z.strictObject({ kernel: z.string(), arch: z.string(), node: z.string() }),
  /** The run's first audit payload: run id, policy name and digest, hook, reviewer, fast path, observe. */
  start,
  /** The policy's text, where it came from, and the environment it was compiled in. */
  policy: z.strictObject({
    file: z.string(),
    source: z.string(),
    environment: z.strictObject({
      home: z.string(),
      workspace: z.string(),
      temporary: texts,
      state: z.string().optional(),
      protect: texts,
      aliases: z.record(z.string(), z.string()),
    }),
  }),
  /** ns between an event's arrival and its deadline. */
  deadline: z.number().positive(),
});
export type TraceHeader = z.infer<typeof headerSchema>;

export const footerSchema = z.strictObject({
  /** How the command ended, and the hook's counters. */
  end: z.strictObject({
    status: z.int().nullable(),
    signal: z.string().nullable(),
    counters: z.record(z.string(), z.number()),
  }),
  /** How many events the trace holds. */
  events: count,
});
export type TraceFooter = z.infer<typeof footerSchema>;

const object = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('path'), path: z.string(), to: z.string().optional() }),
  z.strictObject({
    kind: z.literal('program'),
    path: z.string(),
    argv: texts,
    interpreter: z.strictObject({ path: z.string(), argv: texts }).optional(),
  }),
  z.strictObject({
    kind: z.literal('address'),
    protocol: z.enum(['tcp', 'udp', 'netlink', 'other']),
    address: z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits'),
    port: z.int().min(0).max(0xffff_ffff),
    host: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('unix'), path: z.string() }),
  z.strictObject({ kind: z.literal('process'), pid: count, path: z.string() }),
]);

const event = z.strictObject({
  n: z.int().positive(),
  operation,
  also: z.array(operation),
  object,
  subject: z.strictObject({
    exe: z.string(),
    pid: count,
    argv: texts.optional(),
    cwd: z.string().optional(),
  }),
  received: time,
  deadline: time,
});

const input = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('received'), at: time }),
  z.strictObject({
    type: z.literal('reviewed'),
    at: time,
    answer: z.strictObject({
      verdict,
      reason: z.string(),
      facts: z.record(z.string(), z.unknown()).optional(),
    }),
  }),
  z.strictObject({ type: z.literal('failed'), at: time, error: z.string(), message: z.string() }),
  z.strictObject({ type: z.literal('recorded'), at: time }),
  z.strictObject({ type: z.literal('unrecorded'), at: time, message: z.string() }),
  z.strictObject({ type: z.literal('expired'), at: time }),
]);

export const judgedSchema = z.strictObject({
  event,
  verdict: z.strictObject({ verdict, layer, rule, reason: z.string() }),
  answered: time,
  enforced: z.boolean(),
  fast: z.boolean(),
  inputs: z.array(input),
});

/** Holds the schema to the types: the checker refuses this line where they differ. */
export const asJudged = (parsed: z.infer<typeof judgedSchema>): JudgedEvent => parsed as JudgedEvent;
