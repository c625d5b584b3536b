/**
 * Records a session: the real monitor, the real trail in a throw-away folder and the real trace writer, driven
 * by a scripted hook that decides natively as the seccomp hook does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Event } from '../../model/event.ts';
import { type CompiledPolicy, compile } from '../../model/policy/compile.ts';
import { decide } from '../../model/policy/decide.ts';
import type { Environment } from '../../model/policy/environment.ts';
import { parsePolicy } from '../../model/policy/schema.ts';
import type { FastPath, RecordedPayload } from '../../monitor/audit/record.ts';
import { newScan, scanTrail } from '../../monitor/audit/scan.ts';
import { FolderStore } from '../../monitor/audit/store.ts';
import { FileTrail } from '../../monitor/audit/trail.ts';
import { hostClock } from '../../monitor/clock.ts';
import type { Hook, HookEntry } from '../../monitor/hook.ts';
import { Monitor } from '../../monitor/monitor.ts';
import type { ReviewAnswer, Reviewer } from '../../monitor/reviewers/contract.ts';
import { FORMAT, TRACE_VERSION, type TraceHeader } from '../../traces/format.ts';
import { readTrace, type Trace } from '../../traces/reader.ts';
import { TraceWriter } from '../../traces/writer.ts';

export const ENVIRONMENT = {
  home: '/home/u',
  workspace: '/work',
  temporary: ['/tmp'],
  protect: [],
  aliases: {},
} satisfies Environment;

export const POLICY = `version: 1
default: review
rules:
  - {id: work, effect: allow, operations: [read, write, create, delete], paths: ["/work/**"]}
  - {id: secrets, effect: deny, operations: [read, write], paths: ["**/.env"], reason: not for agents}
rates:
  - {operations: [connect], burst: 3, per_second: 0.001}
`;

export function policyOf(source: string, file = 'policy.yaml'): CompiledPolicy {
  return compile(parsePolicy(source, file), ENVIRONMENT);
}

/** One attempted operation of a session, and what the reviewer does should it be asked. */
export interface Attempt {
  readonly operation: 'read' | 'write' | 'connect' | 'exec';
  readonly name: string;
  readonly reviewer: 'allow' | 'deny' | 'throw' | 'malformed' | 'never';
  /** Turns of the event loop before the reviewer answers. */
  readonly turns: number;
}

export interface Session {
  /** The trace's bytes. */
  readonly bytes: Buffer;
  readonly trace: () => Trace;
  /** The trail's payloads, in order. */
  readonly payloads: readonly RecordedPayload[];
  readonly answers: ReadonlyMap<number, 'allow' | 'deny'>;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function record(
  attempts: readonly Attempt[],
  options: { source?: string; fastPath?: FastPath; observe?: boolean; deadline?: number } = {},
): Promise<Session> {
  const { source = POLICY, fastPath = 'native', observe = false, deadline = 60e9 } = options;
  const policy = policyOf(source);
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-replay-'));
  try {
    const store = new FolderStore(folder);
    const trail = new FileTrail({ store, clock: hostClock });
    const header = headerOf(policy, fastPath, observe, deadline);
    trail.append(header.start);
    const pieces: Uint8Array[] = [];
    const sink = { write: (bytes: Uint8Array) => void pieces.push(bytes), close: () => {} };
    const writer = new TraceWriter(sink, header);
    const hook = new ScriptedHook(policy, fastPath === 'native');
    const reviewer: Reviewer = {
      name: 'scripted',
      start: async () => {},
      stop: async () => {},
      review: async ({ event }) => {
        const { reviewer, turns } = attempts[event.n - 1]!;
        for (let i = 0; i < turns; i += 1) await turn();
        if (reviewer === 'never') return new Promise<ReviewAnswer>(() => {});
        if (reviewer === 'throw') throw new Error('no idea');
        if (reviewer === 'malformed') return { verdict: 'perhaps' } as unknown as ReviewAnswer;
        return { verdict: reviewer, reason: `scripted ${reviewer}`, facts: { n: event.n } };
      },
    };
    const observer = writer.write.bind(writer);
    const monitor = new Monitor({
      policy,
      hook,
      reviewer,
      trail,
      clock: hostClock,
      fastPath,
      observe,
      observer,
    });
    for (const [i, attempt] of attempts.entries()) {
      hook.arrive(eventOf(i + 1, attempt, deadline));
      if (attempt.turns % 2 === 1) await turn();
    }
    await monitor.idle();
    await monitor.stop();
    const end = { status: 0, signal: null, counters: {} };
    trail.append({ kind: 'end', ...end });
    await trail.close();
    writer.end(end);
    const scan = newScan();
    const payloads = [...scanTrail(store, scan)].map(({ record }) => record.payload);
    if (scan.problem !== null) throw new Error(scan.problem.what);
    const bytes = Buffer.concat(pieces);
    return { bytes, payloads, answers: hook.answers, trace: () => readTrace([bytes], 'session.jsonl') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function headerOf(
  policy: CompiledPolicy,
  fast_path: FastPath = 'native',
  observe = false,
  deadline = 4e9,
): TraceHeader {
  return {
    format: FORMAT,
    version: TRACE_VERSION,
    created: '2026-01-01T00:00:00.000Z',
    host: { kernel: '6.1', arch: 'x64', node: '20' },
    start: {
      kind: 'start',
      run: 'session',
      version: '0',
      boot: 'boot',
      command: ['test'],
      policy: { name: 'policy.yaml', digest: policy.digest },
      hook: 'scripted',
      reviewer: 'scripted',
      observe,
      fast_path,
      durability: policy.policy.durability,
      record: policy.policy.record,
    },
    policy: { file: policy.policy.file, source: policy.policy.source, environment: ENVIRONMENT },
    deadline,
  };
}

function eventOf(n: number, { operation, name }: Attempt, deadline: number): Event {
  const received = hostClock.now();
  const subject = { exe: '/bin/sh', pid: 7, argv: ['sh', '-c', name], cwd: '/work' };
  const common = { n, operation, also: [], subject, received, deadline: received + deadline };
  if (operation === 'connect')
    return {
      ...common,
      object: { kind: 'address', protocol: 'tcp', address: `${'0'.repeat(20)}ffff0a000001`, port: 443 },
    };
  if (operation === 'exec')
    return { ...common, object: { kind: 'program', path: '/bin/echo', argv: ['echo', name] } };
  return { ...common, object: { kind: 'path', path: name } };
}

class ScriptedHook implements Hook {
  readonly name = 'scripted';
  readonly answers = new Map<number, 'allow' | 'deny'>();
  readonly #policy: CompiledPolicy;
  readonly #native: boolean;
  #sink: (entries: readonly HookEntry[]) => void = () => {};

  constructor(policy: CompiledPolicy, native: boolean) {
    this.#policy = policy;
    this.#native = native;
  }

  deliverTo(sink: (entries: readonly HookEntry[]) => void): void {
    this.#sink = sink;
  }

  arrive(event: Event): void {
    const { effect, rule } = decide(this.#policy, event);
    if (!this.#native || effect === 'review') {
      this.#sink([{ kind: 'review', event }]);
      return;
    }
    const answered = event.received + 5;
    const decided = { kind: 'decided', event, verdict: effect, layer: 'policy', rule, answered } as const;
    this.#sink([{ ...decided, enforced: true }]);
  }

  answer(n: number, verdict: 'allow' | 'deny'): boolean {
    this.answers.set(n, verdict);
    return true;
  }

  counters() {
    return { events: 0, allowed: 0, denied: 0, counted: 0, reviewed: 0, expired: 0 };
  }
}
