/**
 * What happened in one run of a scenario, written down by those who can know it: the hook (arrivals, releases,
 * calls of answer), the store (what was written and synced, and when), the reviewer (whom it was asked about,
 * what it said) and the monitor's observer. Properties are predicates over this and nothing else.
 *
 * Within one instant of virtual time many things happen; `step` orders them. Steps are not comparable between
 * runs.
 */
import type { Event } from '../model/event.ts';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import type { RecordedPayload } from '../monitor/audit/record.ts';
import type { Counters } from '../monitor/counters.ts';
import type { HookCounters } from '../monitor/hook.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import type { Synced } from './memory-store.ts';
import type { Scenario } from './scenario.ts';
import type { AnswerCall, Release } from './scripted-hook.ts';

/** A record of the trail, where it ends, and when it became durable. */
export interface Recorded {
  readonly seq: number;
  readonly payload: RecordedPayload;
  /** The step of the sync that covered it; Infinity when none did. */
  readonly durableAt: number;
}

/** The reviewer was asked about an event. */
export interface Asked {
  readonly n: number;
  readonly at: number;
  readonly step: number;
}

/** What came back from the reviewer: a clean answer, or what went wrong. */
export interface Said {
  readonly n: number;
  readonly at: number;
  readonly step: number;
  readonly what: 'allow' | 'deny' | 'failure';
}

export interface History {
  readonly scenario: Scenario;
  readonly policy: CompiledPolicy;
  readonly arrivals: readonly Event[];
  readonly releases: readonly Release[];
  readonly calls: readonly AnswerCall[];
  readonly asked: readonly Asked[];
  readonly said: readonly Said[];
  readonly judged: readonly JudgedEvent[];
  readonly trail: readonly Recorded[];
  /** The step at which the store first failed, or null. */
  readonly storeFailedAt: number | null;
  /** The segments as written, and as they survive the scenario's crash. */
  readonly written: readonly Uint8Array[];
  readonly survivors: readonly Uint8Array[];
  /** Journal records that the monitor had not read when it died, oldest first. */
  readonly unread: readonly Uint8Array[];
  readonly counters: HookCounters;
  readonly monitorCounters: Counters;
  /** ns: where the monitor's event loop stood still. */
  readonly stalled: readonly { readonly from: number; readonly until: number }[];
  readonly crashed: boolean;
  /** Errors that escaped everywhere (a rejected promise that nobody handled, a throwing timer). */
  readonly escaped: readonly unknown[];
  /** False when the run did not come to rest within its limits. */
  readonly settled: boolean;
}

/** The arrival with number `n`. */
export function eventOf(history: History, n: number): Event {
  const found = history.arrivals.find((event) => event.n === n);
  if (found === undefined) throw new Error(`no event ${n} arrived`);
  return found;
}

/** Events that were put up for review, by the hook or (placements other than native) all of them. */
export function gated(history: History): Event[] {
  const fast = new Set(history.releases.filter(({ by }) => by === 'fast-path').map(({ n }) => n));
  return history.arrivals.filter(({ n }) => n > 0 && !fast.has(n));
}

/** The records of one kind. */
export function recordsOf<K extends RecordedPayload['kind']>(
  history: Pick<History, 'trail'>,
  kind: K,
): (Recorded & { payload: Extract<RecordedPayload, { kind: K }> })[] {
  return history.trail.filter((record) => record.payload.kind === kind) as (Recorded & {
    payload: Extract<RecordedPayload, { kind: K }>;
  })[];
}

/** The trail's lines with the step at which each became durable. Segments must be whole lines. */
export function readTrail(segments: readonly Uint8Array[], synced: readonly Synced[]): Recorded[] {
  return segments.flatMap((bytes, i) => {
    const lines: Recorded[] = [];
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(10, start);
      if (newline < 0) break; // a torn record: never happened
      const { seq, payload } = JSON.parse(Buffer.from(bytes.subarray(start, newline)).toString('utf8')) as {
        seq: number;
        payload: RecordedPayload;
      };
      start = newline + 1;
      const cover = synced.find(({ segment, size }) => segment === i + 1 && size >= start);
      lines.push({ seq, payload, durableAt: cover?.step ?? Number.POSITIVE_INFINITY });
    }
    return lines;
  });
}

/** What happened, one line each, in order. */
export function showHistory(history: History): string {
  const start = history.arrivals[0]?.received ?? 0;
  const when = (at: number) => `${((at - start) / 1e6).toFixed(6)} ms`;
  const lines: { step: number; text: string }[] = [
    ...history.releases.map(({ n, verdict, at, step, by }) => ({
      step,
      text: `${when(at)}  event ${n || '(counted)'} released: ${verdict} by ${by}`,
    })),
    ...history.calls.map(({ n, verdict, at, step, accepted }) => ({
      step,
      text: `${when(at)}  monitor answers ${verdict} for event ${n}${accepted ? '' : ' (refused by the hook)'}`,
    })),
    ...history.asked.map(({ n, at, step }) => ({
      step,
      text: `${when(at)}  reviewer asked about event ${n}`,
    })),
    ...history.said.map(({ n, at, step, what }) => ({
      step,
      text: `${when(at)}  reviewer on event ${n}: ${what}`,
    })),
  ].sort((a, b) => a.step - b.step);
  const trail = history.trail.map(({ seq, payload, durableAt }) => {
    const durable = durableAt === Number.POSITIVE_INFINITY ? 'never durable' : `durable at step ${durableAt}`;
    return `  record ${seq} ${payload.kind}${'n' in payload ? ` of event ${payload.n}` : ''}${'event' in payload ? ` of event ${payload.event.n}` : ''}${'verdict' in payload ? `: ${payload.verdict} (${payload.layer}: ${payload.reason})` : ''}, ${durable}`;
  });
  const notes = [
    ...(history.crashed ? ['the monitor was killed'] : []),
    ...(history.settled ? [] : ['the run never came to rest']),
    ...history.escaped.map((error) => `escaped: ${String(error)}`),
  ];
  return [...lines.map(({ step, text }) => `step ${step}  ${text}`), 'trail:', ...trail, ...notes].join('\n');
}
