/**
 * Replay: every event of a trace judged again, and what came out differently.
 *
 * Under the recorded policy and answers every verdict has to come out the same in all its parts: verdict,
 * layer, rule and reason. Under another policy or reviewer the question is what would have been allowed or
 * denied instead, so there only the verdict proper counts as a difference.
 * Memory: the events in flight together (order.ts) and the first differences; not the trace.
 */
import type { CompiledPolicy } from '../model/policy/compile.ts';
import { compile } from '../model/policy/compile.ts';
import { parsePolicy } from '../model/policy/schema.ts';
import type { Verdict } from '../model/verdict.ts';
import { abridge } from '../monitor/audit/abridge.ts';
import type { Payload, RecordedPayload } from '../monitor/audit/record.ts';
import type { Reviewer } from '../monitor/reviewers/contract.ts';
import type { TraceHeader } from '../traces/format.ts';
import type { Trace } from '../traces/reader.ts';
import { inOrder } from './order.ts';
import { Rejudge, type Replayed } from './rejudge.ts';

export interface ReplayOptions {
  readonly trace: Trace;
  /** Default: the recorded policy, compiled anew. */
  readonly policy?: CompiledPolicy;
  /** Default: the recorded answers. A live reviewer must be started, and is left running. */
  readonly reviewer?: 'recorded' | Reviewer;
  readonly onVerdict?: (replayed: Replayed, different: boolean) => void;
  /** The audit payloads of the replayed run as a trail holds them: its start, those of each event together,
   * its end. Counts of reads and anomalies are the host's and not in a trace. */
  readonly onPayload?: (payload: RecordedPayload) => void;
}

export interface Difference {
  readonly n: number;
  readonly recorded: Verdict;
  readonly replayed: Verdict;
}

export interface Replay {
  readonly events: number;
  readonly different: number;
  /** The first MAX_DIFFERENCES of them. */
  readonly differences: readonly Difference[];
  /** Whether policy and answers were the recorded ones, so that nothing may differ. */
  readonly exact: boolean;
}

export const MAX_DIFFERENCES = 10_000;

/** The policy of a trace, in the environment it was recorded in. Throws PolicyError. */
export function recordedPolicy(header: TraceHeader): CompiledPolicy {
  const { file, source } = header.policy;
  return compile(parsePolicy(source, file), header.policy.environment);
}

/** Replays the whole trace. Rejects with TraceError where the trace is not whole, PolicyError where its policy
 * does not compile. */
export async function replay(options: ReplayOptions): Promise<Replay> {
  const { trace, onVerdict, onPayload } = options;
  const { start } = trace.header;
  const policy = options.policy ?? recordedPolicy(trace.header);
  const samePolicy = policy.digest === start.policy.digest;
  const live = options.reviewer === undefined || options.reviewer === 'recorded' ? null : options.reviewer;
  const exact = samePolicy && live === null;
  const bench = new Rejudge({
    policy,
    samePolicy,
    fastPath: start.fast_path,
    observe: start.observe,
    reviewer: live ?? { recorded: start.reviewer },
  });
  const emit = (payload: Payload): void => onPayload?.(abridge(payload));
  emit(start);
  const differences: Difference[] = [];
  let events = 0;
  let different = 0;
  for (const recorded of inOrder(trace.events())) {
    const judged = bench.judge(recorded);
    const replayed = judged instanceof Promise ? await judged : judged;
    events += 1;
    const differs = exact ? !sameWhole(replayed) : replayed.verdict.verdict !== recorded.verdict.verdict;
    if (differs) {
      different += 1;
      if (differences.length < MAX_DIFFERENCES)
        differences.push({ n: recorded.event.n, recorded: recorded.verdict, replayed: replayed.verdict });
    }
    onVerdict?.(replayed, differs);
    if (onPayload !== undefined) replayed.payloads.forEach(emit);
  }
  emit({ kind: 'end', ...trace.footer()!.end });
  return { events, different, differences, exact };
}

function sameWhole({ verdict, answered, recorded }: Replayed): boolean {
  const was = recorded.verdict;
  return (
    verdict.verdict === was.verdict &&
    verdict.layer === was.layer &&
    verdict.rule === was.rule &&
    verdict.reason === was.reason &&
    answered === recorded.answered
  );
}
