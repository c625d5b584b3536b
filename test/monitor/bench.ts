/**
 * The bench of these tests: the real monitor between a scripted hook and a trail in memory, under virtual time.
 * The trail's double remembers what was appended and synced, and fails, fills up or hesitates on order; the
 * trail itself has tests of its own.
 */
import type { Event } from '../../model/event.ts';
import { type CompiledPolicy, compile } from '../../model/policy/compile.ts';
import { parsePolicy } from '../../model/policy/schema.ts';
import type { Payload, Trail } from '../../monitor/audit/record.ts';
import type { Hook, HookCounters, HookEntry } from '../../monitor/hook.ts';
import type { JudgedEvent } from '../../monitor/judged.ts';
import { Monitor, type MonitorOptions } from '../../monitor/monitor.ts';
import type { ReviewAnswer, Reviewer, ReviewRequest } from '../../monitor/reviewers/contract.ts';
import { settled, VirtualClock } from '../../monitor/virtual-clock.ts';

export const SECOND = 1e9;

const ENVIRONMENT = {
  home: '/home/u',
  workspace: '/home/u/ws',
  temporary: ['/tmp'],
  protect: [],
  aliases: {},
};

/** Work in the workspace is free, credentials are denied, the rest is reviewed; one constitutional rule. */
export const POLICY = `
version: 1
default: review
rules:
  - {id: free, effect: allow, paths: ["\${workspace}/**"], reason: the workspace is free}
  - {id: secret, effect: deny, paths: ["~/.ssh/**"], reason: credentials are not for agents}
  - {id: look-first, effect: review, paths: ["/srv/**"], reason: somebody should look at this}
constitution:
  - {id: never-boot, paths: ["/srv/boot/**"], reason: nobody may allow this}
trust:
  - {subjects: ["/opt/stranger"], tier: untrusted}
  - {subjects: ["/opt/friend"], tier: trusted}
rates:
  - {operations: [delete], burst: 2, per_second: 1}
`;

export function policyOf(source: string = POLICY): CompiledPolicy {
  return compile(parsePolicy(source, 'test.yaml'), ENVIRONMENT);
}

let compiledOnce: CompiledPolicy | undefined;
export const thePolicy = (): CompiledPolicy => (compiledOnce ??= policyOf());

type Changes = Partial<Omit<Event, 'object' | 'subject'>> & { path?: string; exe?: string };

/** A write of /srv/x with four seconds to decide, but for the changes. */
export function eventOf(
  n: number,
  { path = '/srv/x', exe = '/usr/bin/tool', ...changes }: Changes = {},
): Event {
  return {
    n,
    operation: 'write',
    also: [],
    object: { kind: 'path', path },
    subject: { exe, pid: 42 },
    received: 0,
    deadline: 4 * SECOND,
    ...changes,
  };
}

export class TestHook implements Hook {
  readonly name = 'test';
  /** Every answer, in order. */
  readonly answers: [number, 'allow' | 'deny'][] = [];
  /** Events that the hook has denied by itself. */
  readonly gone = new Set<number>();
  #sink: (entries: readonly HookEntry[]) => void = () => {};

  deliverTo(sink: (entries: readonly HookEntry[]) => void): void {
    this.#sink = sink;
  }
  deliver(...entries: HookEntry[]): void {
    this.#sink(entries);
  }
  review(...events: Event[]): void {
    this.#sink(events.map((event) => ({ kind: 'review', event })));
  }
  answer(n: number, verdict: 'allow' | 'deny'): boolean {
    this.answers.push([n, verdict]);
    return !this.gone.has(n);
  }
  counters(): HookCounters {
    return { events: 0, allowed: 0, denied: 0, counted: 0, reviewed: 0, expired: 0 };
  }
}

export class TestTrail implements Trail {
  readonly payloads: Payload[] = [];
  synced = 0;
  /** Appending the k-th payload (from 1) fails, and everything after it. */
  failAt = Number.POSITIVE_INFINITY;
  failSync = false;
  /** Syncs wait for this. */
  slow: Promise<void> = Promise.resolve();

  append(payload: Payload): number {
    if (this.payloads.length + 1 >= this.failAt) throw new Error('no space left');
    return this.payloads.push(payload);
  }
  async sync(): Promise<void> {
    const covered = this.payloads.length;
    await this.slow;
    if (this.failSync) throw new Error('input/output error');
    this.synced = Math.max(this.synced, covered);
  }
  async close(): Promise<void> {}
}

/** A reviewer that waits to be told what to say. */
export class TestReviewer implements Reviewer {
  readonly name = 'test';
  readonly asked: ReviewRequest[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #say = new Map<number, { resolve(answer: ReviewAnswer): void; reject(error: unknown): void }>();

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    this.asked.push(request);
    this.signals.push(signal);
    return new Promise((resolve, reject) => this.#say.set(request.event.n, { resolve, reject }));
  }
  async says(n: number, answer: unknown): Promise<void> {
    this.#say.get(n)!.resolve(answer as ReviewAnswer);
    await settled();
  }
  async fails(n: number, error: unknown): Promise<void> {
    this.#say.get(n)!.reject(error);
    await settled();
  }
}

export const YES = { verdict: 'allow', reason: 'looks fine' } as const;
export const NO = { verdict: 'deny', reason: 'does not look fine' } as const;

/** Everything together. */
export function bench(changes: Partial<MonitorOptions> = {}) {
  const clock = new VirtualClock(SECOND / 1000);
  const hook = new TestHook();
  const trail = new TestTrail();
  const reviewer = new TestReviewer();
  const judged: JudgedEvent[] = [];
  const monitor = new Monitor({
    policy: thePolicy(),
    hook,
    reviewer,
    trail,
    clock,
    fastPath: 'native',
    observe: false,
    observer: (each) => judged.push(each),
    ...changes,
  });
  /** `kind` of each record, verdicts with what was said. */
  const records = () =>
    trail.payloads.map((payload) =>
      payload.kind === 'verdict' || payload.kind === 'decision'
        ? `${payload.kind} ${payload.verdict} ${payload.layer}`
        : payload.kind,
    );
  return { clock, hook, trail, reviewer, judged, monitor, records };
}
