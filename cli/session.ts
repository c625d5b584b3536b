/**
 * One run, assembled: policy, state folder, trail, trace, reviewer, monitor, hook. What was started is stopped in
 * reverse order, whether the run ends well, never starts, or fails half way.
 */
import { arch, constants, release } from 'node:os';
import { SeccompHook } from '../hooks/seccomp/index.ts';
import type { FastPath } from '../model/configuration.ts';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import { openStateTrail } from '../monitor/audit/open.ts';
import type { Payload } from '../monitor/audit/record.ts';
import { hostClock } from '../monitor/clock.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import { Monitor } from '../monitor/monitor.ts';
import { loadPolicy } from '../monitor/policies.ts';
import type { Reviewer } from '../monitor/reviewers/contract.ts';
import { createReviewer } from '../monitor/reviewers/index.ts';
import { bootId, openState, type State } from '../monitor/state.ts';
import { FORMAT, TRACE_VERSION } from '../traces/format.ts';
import { createTrace, type TraceWriter } from '../traces/writer.ts';
import { bindingsOf } from './bindings.ts';
import { environment, lastArguments, workingFolder } from './raw.ts';
import { version } from './version.ts';

/** Bytes of the journal between hook and monitor: some 40,000 events. */
const JOURNAL_BYTES = 8 << 20;
/** Anomalies told at the end of a run; the trail has more. */
const MAX_REMARKS = 20;
/** How often a trace under way is written out, for those who follow it. */
const TRACE_FLUSH_MS = 100;

export interface Settings {
  /** At least one word. */
  readonly command: readonly string[];
  /** Policy file or name of a built-in. */
  readonly policy: string;
  readonly workspace: string;
  /** As given to --reviewer. */
  readonly reviewer: string;
  /** ns from an event's arrival. */
  readonly deadline: number;
  readonly observe: boolean;
  readonly state: string | undefined;
  readonly trace: string | undefined;
  readonly fastPath: FastPath;
  readonly onJudged?: (judged: JudgedEvent) => void;
}

/** How the command ended. Exactly one of the first three is set. */
export interface Ended {
  readonly status: number | null;
  /** Signal number. */
  readonly signal: number | null;
  /** errno of the exec that failed: the command never ran. */
  readonly failed: number | null;
  /** What the user should know, a line each. */
  readonly remarks: readonly string[];
}

/** Passes a signal on to the command. */
export type Deliver = (signal: NodeJS.Signals) => void;

/**
 * Runs the command. Throws where nothing could be executed; everything started is stopped again by then.
 * `onStarted` is called once there is a command to pass signals on to.
 */
export async function runSession(settings: Settings, onStarted: (deliver: Deliver) => void): Promise<Ended> {
  const remarks: string[] = [];
  const parts = new Parts(remarks);
  try {
    const outcome = await runWith(parts, settings, remarks, onStarted);
    await parts.stopAll(outcome);
    return { ...outcome, remarks };
  } catch (error) {
    await parts.stopAll(NEVER_RAN);
    throw error;
  }
}

type Outcome = Omit<Ended, 'remarks'>;
const NEVER_RAN: Outcome = { status: null, signal: null, failed: null };

/** The parts that are at work. Stops them in reverse order; what fails to stop is remarked on and keeps nothing
 * else from being stopped. */
class Parts {
  readonly #remarks: string[];
  /** Owner: this object. */
  readonly #started: ((outcome: Outcome) => void | Promise<void>)[] = [];

  constructor(remarks: string[]) {
    this.#remarks = remarks;
  }

  add(stop: (outcome: Outcome) => void | Promise<void>): void {
    this.#started.push(stop);
  }

  async stopAll(outcome: Outcome): Promise<void> {
    for (const stop of this.#started.splice(0).reverse())
      try {
        await stop(outcome);
      } catch (error) {
        this.#remarks.push(messageOf(error));
      }
  }
}

async function runWith(
  parts: Parts,
  settings: Settings,
  remarks: string[],
  onStarted: (deliver: Deliver) => void,
): Promise<Outcome> {
  const policy = loadPolicy(settings.policy, bindingsOf(settings));
  // Set once there are a monitor and a hook: a failing trail must stop the hook's own fast path too.
  let onTrailFailure = (_message: string) => {};
  let onAnomaly = (_what: string, _detail: string) => {};

  const state = openState({ folder: settings.state, wall: hostClock.wall() });
  parts.add(() => state.release());
  const { trail, recovery } = await openStateTrail(state, hostClock, ({ message }) =>
    onTrailFailure(message),
  );
  parts.add(() => trail.close());
  if (recovery !== null)
    remarks.push(
      `the last run in ${state.folder} was cut short: ${recovery.fromJournal} records recovered from its journal, ${recovery.deniedPending.length} waiting operations denied, ${recovery.cutBytes} torn bytes cut`,
    );

  const reviewer = createReviewer(settings.reviewer, state, {
    onAnomaly: (what, detail) => onAnomaly(what, detail),
  });
  await reviewer.start();
  parts.add(() => reviewer.stop());

  const start = startPayload(settings, policy, state, reviewer);
  // First the record, then what witnesses that there is one: a crash in between leaves no contradiction.
  trail.append(start);
  await trail.sync();
  state.describe(
    {
      run: state.id,
      created: new Date(hostClock.wall()).toISOString(),
      version: start.version,
      boot: start.boot,
      pid: process.pid,
      policy: start.policy,
      rules: policy.rules.map(({ id, reason }) => ({ id, reason })),
    },
    policy.policy.source,
  );
  const counters = () => ({ ...hook.counters() }) as Record<string, number>;
  const ending = (outcome: Outcome) => ({
    status: outcome.status,
    signal: outcome.signal === null ? null : signalName(outcome.signal),
    counters: counters(),
  });
  parts.add((outcome) => {
    if (trail.failure === null) trail.append({ kind: 'end', ...ending(outcome) });
  });
  const trace = settings.trace === undefined ? null : openTrace(settings.trace, settings, policy, start);
  if (trace !== null) parts.add((outcome) => trace.end(ending(outcome)));

  const hook = new SeccompHook({
    command: lastArguments(settings.command.length),
    env: environment(),
    cwd: workingFolder(),
    table: policy.table,
    journal: state.journal,
    journalBytes: JOURNAL_BYTES,
    deadline: settings.deadline,
    observe: settings.observe,
    recordAll: trace !== null || policy.policy.record === 'all',
    fastPath: start.fast_path === 'native' ? 'native' : 'monitor',
    onFailure: ({ message }) => onTrailFailure(message),
  });
  const monitor = new Monitor({
    policy,
    hook,
    reviewer,
    trail,
    clock: hostClock,
    fastPath: start.fast_path,
    observe: settings.observe,
    observer: (judged) => {
      trace?.write(judged);
      settings.onJudged?.(judged);
    },
    onAnomaly: (what, detail) => {
      // All are counted and the first thousand recorded in the trail; these lines are for a person.
      if (remarks.length < MAX_REMARKS) remarks.push(`${what}: ${detail}`);
    },
    onFatal: (message) => onTrailFailure(message),
  });
  parts.add(() => monitor.stop());
  onAnomaly = (what, detail) => monitor.anomaly(what, detail);
  onTrailFailure = (message) => {
    remarks.push(`${message}; the command was ended, because what it does can no longer be recorded`);
    monitor.fail(message);
    hook.stop();
  };

  const ended = hook.start();
  parts.add(() => hook.stop());
  if (trace !== null) parts.add(flushing(trace));
  // No process: the start was refused, and awaiting it below throws.
  if (hook.pid !== 0) onStarted((signal) => process.kill(hook.pid, signal));
  const { code, signal, execErrno, leftovers } = await ended;
  if (leftovers > 0)
    remarks.push(
      `${leftovers} ${leftovers === 1 ? 'process' : 'processes'} that the command had left behind ${leftovers === 1 ? 'was' : 'were'} ended`,
    );
  return { status: code, signal, failed: execErrno };
}

function startPayload(
  settings: Settings,
  { policy, digest }: CompiledPolicy,
  state: State,
  reviewer: Reviewer,
): Extract<Payload, { kind: 'start' }> {
  return {
    kind: 'start',
    run: state.id,
    version: version(),
    boot: bootId(),
    command: lastArguments(settings.command.length),
    policy: { name: settings.policy, digest },
    hook: 'seccomp',
    reviewer: reviewer.name,
    observe: settings.observe,
    // A strict policy wants every allow on stable storage first: only the monitor can wait for that.
    fast_path:
      policy.durability === 'strict' && settings.fastPath === 'native' ? 'monitor' : settings.fastPath,
    durability: policy.durability,
    record: policy.record,
  };
}

function openTrace(
  file: string,
  settings: Settings,
  { policy, environment }: CompiledPolicy,
  start: Extract<Payload, { kind: 'start' }>,
): TraceWriter {
  return createTrace(file, {
    format: FORMAT,
    version: TRACE_VERSION,
    created: new Date(hostClock.wall()).toISOString(),
    host: { kernel: release(), arch: arch(), node: process.versions.node },
    start,
    policy: {
      file: policy.file,
      source: policy.source,
      environment: {
        ...environment,
        temporary: [...environment.temporary],
        protect: [...environment.protect],
      },
    },
    deadline: settings.deadline,
  });
}

/** Writes the trace out every so often, for those who follow it; gives the function that stops that. */
function flushing(trace: TraceWriter): () => void {
  const timer = setInterval(() => trace.flush(), TRACE_FLUSH_MS);
  return () => clearInterval(timer);
}

/** `SIGTERM` for 15. */
function signalName(signal: number): string {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0] ?? `signal ${signal}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
