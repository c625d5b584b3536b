/**
 * P8, replay: a run that was recorded as a trace, written, read and replayed gives the same verdicts for every
 * event and the same audit payloads, byte for byte, whatever reviewers, deadlines, stalls and disks did.
 */
import fc from 'fast-check';
import { canonical } from '../monitor/audit/canonical.ts';
import type { RecordedPayload } from '../monitor/audit/record.ts';
import { replay } from '../replay/replay.ts';
import { FORMAT, TRACE_VERSION, type TraceHeader } from '../traces/format.ts';
import { readTrace } from '../traces/reader.ts';
import { TraceWriter } from '../traces/writer.ts';
import { must } from './check.ts';
import type { History } from './history.ts';
import { overRuns } from './over-runs.ts';
import { BASE } from './policies.ts';
import { type Behaviour, calm, chances, plans, span } from './scenario.ts';
import { reviewed } from './universe.ts';

/** The trace that `run --trace` would have written. */
function traceOf(history: History): Uint8Array[] {
  const start = history.trail[0]?.payload;
  must(start?.kind === 'start', () => 'the trail does not begin with a start');
  const { policy, scenario } = history;
  const header: TraceHeader = {
    format: FORMAT,
    version: TRACE_VERSION,
    created: '2026-01-01T00:00:00.000Z',
    host: { kernel: 'virtual', arch: 'virtual', node: 'virtual' },
    start: start as TraceHeader['start'],
    policy: {
      file: policy.policy.file,
      source: policy.policy.source,
      environment: policy.environment as TraceHeader['policy']['environment'],
    },
    deadline: scenario.deadline,
  };
  const pieces: Uint8Array[] = [];
  const writer = new TraceWriter(
    { write: (bytes) => void pieces.push(bytes.slice()), close: () => {} },
    header,
  );
  for (const judged of history.judged) writer.write(judged);
  const { events, counted } = history.counters;
  writer.end({ status: 0, signal: null, counters: { events, counted } });
  return pieces;
}

/** The event that a payload is about; null for those about the run or the host. */
function numberOf(payload: RecordedPayload): number | null {
  if ('event' in payload) return payload.event.n;
  return 'n' in payload ? payload.n : null;
}

export const replayIsExact = overRuns({
  name: 'replay-is-exact',
  sentence: 'a recorded trace replays to the same verdicts and the same audit payloads, byte for byte',
  promise: 'P8',
  chosen: {
    audit: fc.oneof(calm.audit, chances.audit),
    policy: fc.oneof(fc.constant(BASE['strict-gateway']), chances.policy),
    plans: fc.oneof(chances.plans, plans(reviewed, fc.constant<Behaviour>('allow'), span(2))),
  },
  holds: async (history) => {
    const replayed: RecordedPayload[] = [];
    const trace = readTrace(traceOf(history), 'trace');
    const result = await replay({
      trace,
      policy: history.policy,
      onPayload: (payload) => void replayed.push(payload),
    });
    must(result.exact, () => 'the replay does not count as exact');
    must(result.events === history.judged.length, () => 'the replay has another number of events');
    const [first] = result.differences;
    must(
      first === undefined,
      () => `event ${first?.n}: ${JSON.stringify(first?.recorded)} became ${JSON.stringify(first?.replayed)}`,
    );
    if (history.storeFailedAt !== null) return; // then the trail is short of payloads, and rightly so
    for (const { event } of history.judged) {
      const recorded = history.trail
        .map(({ payload }) => payload)
        .filter((payload) => numberOf(payload) === event.n);
      const again = replayed.filter((payload) => numberOf(payload) === event.n);
      must(
        canonical(recorded) === canonical(again),
        () => `event ${event.n}: recorded ${canonical(recorded)}, replayed ${canonical(again)}`,
      );
    }
  },
});
