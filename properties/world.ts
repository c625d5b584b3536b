/**
 * Runs a scenario: the real monitor and the real trail, with a scripted hook, a store in memory and a virtual
 * clock, one step at a time. fast-check's scheduler chooses the next step among everything that could happen
 * next: a reviewer's answer arrives, a sync returns, timers fire, the hook delivers, time goes on. Hence every
 * race between answer, deadline, sync and crash is a case, and seed and path replay it exactly.
 *
 * What time may do: it goes on only once due timers have fired and reviews were delivered, except while the
 * scenario stalls the event loop. Answers and syncs may lag behind time as long as they like.
 */
import fc from 'fast-check';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import { FileTrail } from '../monitor/audit/trail.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import { Monitor } from '../monitor/monitor.ts';
import { Agenda } from './agenda.ts';
import { compiled } from './compiled.ts';
import { type History, readTrail } from './history.ts';
import { MemoryStore } from './memory-store.ts';
import { length, type Plan, type Scenario } from './scenario.ts';
import { ScriptedHook } from './scripted-hook.ts';
import { ScriptedReviewer } from './scripted-reviewer.ts';
import { StallingClock } from './stalling-clock.ts';

/** ns of the virtual clock at the start; large enough that nothing special happens near zero. */
const START = 1_000_000_000_000;
const MOST_STEPS = 4_000;

/** Which of the possible interleavings a run takes: the seed of its scheduler. */
export const interleaving = fc.nat();

/** Runs `scenario` in one interleaving. What the monitor throws is in `escaped`. */
export function runScenario(scenario: Scenario, interleaving: number): Promise<History> {
  // A new scheduler for each run: a used one does not repeat itself.
  const [scheduler] = fc.sample(fc.scheduler(), { seed: interleaving, numRuns: 1 });
  return new World(scenario, scheduler!, compiled(scenario.policy)).run();
}

type Ending = 'settled' | 'crashed' | 'endless';

class World {
  readonly #scenario: Scenario;
  readonly #scheduler: fc.Scheduler;
  readonly #policy: CompiledPolicy;
  readonly #clock = new StallingClock(START);
  readonly #agenda = new Agenda();
  readonly #judged: JudgedEvent[] = [];
  readonly #escaped: unknown[] = [];
  readonly #stalled: { from: number; until: number }[] = [];
  readonly #stalls: { from: number; until: number }[];
  readonly #store: MemoryStore;
  readonly #hook: ScriptedHook;
  readonly #reviewer: ScriptedReviewer;
  #monitor: Monitor | null = null;
  /** Counts everything that happens; orders what happens in one instant. */
  #step = 0;
  /** Steps of the driver. */
  #turns = 0;
  /** Tasks that must run before time goes on. */
  #urgent = 0;
  #timeWaits = false;
  #deliveryWaits = false;

  constructor(scenario: Scenario, scheduler: fc.Scheduler, policy: CompiledPolicy) {
    this.#scenario = scenario;
    this.#scheduler = scheduler;
    this.#policy = policy;
    const step = () => ++this.#step;
    const { audit, deadline, fastPath, stalls } = scenario;
    const sync = audit.kind === 'slow' ? Math.round((audit.tenths * deadline) / 10) : 0;
    this.#store = new MemoryStore(audit, step, (what) => this.#pause(sync, what));
    this.#hook = new ScriptedHook({
      policy,
      native: fastPath === 'native',
      recordAll: scenario.policy.record === 'all',
      deadline,
      now: () => this.#clock.now(),
      step,
    });
    this.#reviewer = new ScriptedReviewer(scenario, {
      clock: this.#clock,
      step,
      pause: (delay, what) => this.#pause(delay, what),
      planOf: (n) => scenario.plans[this.#hook.arrivals.findIndex((event) => event.n === n)],
      onAnomaly: (what, detail) => this.#monitor?.anomaly(what, detail),
    });
    this.#stalls = stalls
      .map((stall) => ({ from: START + length(stall.at, deadline), for: length(stall.length, deadline) }))
      .map((stall) => ({ from: stall.from, until: stall.from + stall.for }))
      .sort((a, b) => a.from - b.from);
  }

  async run(): Promise<History> {
    const note = (error: unknown) => void this.#escaped.push(error);
    process.on('unhandledRejection', note);
    try {
      return await this.#play();
    } finally {
      process.off('unhandledRejection', note);
    }
  }

  async #play(): Promise<History> {
    const scenario = this.#scenario;
    const trail = new FileTrail({
      store: this.#store,
      clock: this.#clock,
      segmentBytes: scenario.segmentBytes,
    });
    trail.append(startOf(scenario, this.#policy));
    const monitor = new Monitor({
      policy: this.#policy,
      hook: this.#hook,
      reviewer: this.#reviewer,
      trail,
      clock: this.#clock,
      fastPath: scenario.fastPath,
      observe: false,
      limits: { pending: scenario.pending },
      observer: (judged: JudgedEvent) => void this.#judged.push(judged),
    });
    this.#monitor = monitor;
    let at = START;
    for (const [index, plan] of scenario.plans.entries()) {
      at += length(plan.gap, scenario.deadline);
      this.#agenda.add(at, () => this.#arrive(plan));
      if (plan.killed === null) continue;
      const end = at + length(plan.killed, scenario.deadline);
      this.#agenda.add(end, () => this.#hook.kill(index, end));
    }
    let ending = await this.#drive(() => this.#quiet());
    if (ending === 'settled') ending = await this.#close(monitor, trail);
    const crash = scenario.crash;
    return {
      scenario,
      policy: this.#policy,
      arrivals: this.#hook.arrivals,
      releases: this.#hook.releases,
      calls: this.#hook.calls,
      asked: this.#reviewer.asked,
      said: this.#reviewer.said,
      judged: this.#judged,
      trail: readTrail(this.#store.survivors(false), this.#store.synced),
      storeFailedAt: this.#store.failedAt,
      written: this.#store.survivors(false),
      survivors: this.#store.survivors(crash?.power ?? false, crash?.torn ?? 0),
      unread: this.#hook.unread,
      counters: this.#hook.counters(),
      monitorCounters: { ...monitor.counters },
      stalled: this.#stalled,
      crashed: ending === 'crashed',
      escaped: this.#escaped,
      settled: ending !== 'endless',
    };
  }

  /** The orderly end of a run, as `run` does it: the monitor stops, the counters are recorded, the trail closes. */
  async #close(monitor: Monitor, trail: FileTrail): Promise<Ending> {
    const ending = async (): Promise<void> => {
      await monitor.stop();
      const { events, counted } = this.#hook.counters();
      try {
        trail.append({ kind: 'end', status: 0, signal: null, counters: { events, counted } });
        await trail.close();
      } catch {
        // the trail has failed, as the scenario wanted
      }
    };
    let ended = false;
    void ending()
      .catch((error) => this.#escaped.push(error))
      .finally(() => {
        ended = true;
      });
    await settle();
    return await this.#drive(() => ended);
  }

  #arrive({ attempt, doubted }: Plan): void {
    const urgent = this.#hook.arrive(attempt, this.#clock.now(), doubted);
    if (!this.#hook.undelivered || (this.#deliveryWaits && !urgent)) return;
    this.#deliveryWaits = true;
    this.#could('deliver', urgent, () => {
      this.#deliveryWaits = false;
      this.#hook.deliver();
    });
  }

  /** Adds a task that may run at any later step; an urgent one holds time back. */
  #could(what: string, urgent: boolean, run: () => void): void {
    if (urgent) this.#urgent += 1;
    void this.#scheduler.schedule(Promise.resolve(), what).then(() => {
      if (urgent) this.#urgent -= 1;
      this.#step += 1;
      try {
        run();
      } catch (error) {
        this.#escaped.push(error);
      }
    });
  }

  /** Resolves `delay` ns from now, or later: whenever the scheduler picks it. */
  #pause(delay: number, what: string): Promise<void> {
    return new Promise((resolve) => {
      const ready = () => this.#could(what, false, resolve);
      if (delay <= 0) ready();
      else this.#agenda.add(this.#clock.now() + delay, ready);
    });
  }

  /** Nothing is left to happen but timers and time itself. */
  #quiet(): boolean {
    const others = this.#scheduler.count() - (this.#timeWaits ? 1 : 0);
    const waits = this.#hook.nextDeadline() !== undefined || this.#hook.undelivered;
    return others === 0 && !waits && this.#agenda.next() === undefined;
  }

  /** Takes step after step until `done`. */
  async #drive(done: () => boolean): Promise<Ending> {
    const { crash } = this.#scenario;
    for (let most = MOST_STEPS; most > 0; most -= 1) {
      if (done()) return 'settled';
      if (crash !== null && this.#turns >= crash.step) return this.#crash();
      this.#turns += 1;
      this.#offerTime();
      if (this.#scheduler.count() === 0) return 'endless';
      await this.#scheduler.waitNext(1);
      await settle();
    }
    return 'endless';
  }

  /** The monitor dies: what waits is denied by the kernel, and so is everything that comes later. */
  #crash(): Ending {
    this.#hook.die();
    for (
      let item = this.#agenda.due(Number.POSITIVE_INFINITY);
      item;
      item = this.#agenda.due(Number.POSITIVE_INFINITY)
    ) {
      this.#clock.set(item.at);
      item.run();
    }
    return 'crashed';
  }

  /** Lets time compete with whatever else could happen. */
  #offerTime(): void {
    if (this.#urgent > 0 || this.#timeWaits || this.#nextTime() === undefined) return;
    if (this.#scenario.prompt && this.#scheduler.count() > 0) return;
    this.#timeWaits = true;
    this.#could('time', false, () => {
      this.#timeWaits = false;
      if (this.#urgent === 0) this.#advance();
    });
  }

  #nextTime(): number | undefined {
    const times = [this.#agenda.next(), this.#clock.next(), this.#hook.nextDeadline()];
    return times.reduce(
      (least, time) => (time === undefined || (least ?? time) < time ? least : time),
      undefined,
    );
  }

  /** Time goes on to the next instant at which something happens, or over the stall that begins by then. */
  #advance(): void {
    let to = Math.max(this.#nextTime() ?? 0, this.#clock.now());
    while (this.#stalls[0] !== undefined && this.#stalls[0].from <= to) {
      const { from, until } = this.#stalls.shift()!;
      this.#stalled.push({ from, until });
      to = Math.max(to, until);
    }
    // The outside and the hook's own thread live through it instant by instant; the monitor sees only the end.
    for (;;) {
      const deadline = this.#hook.nextDeadline() ?? Number.POSITIVE_INFINITY;
      const now = Math.min(deadline, this.#agenda.next() ?? Number.POSITIVE_INFINITY, to);
      this.#clock.set(now);
      this.#hook.enforceDeadlines(now);
      const item = this.#agenda.due(now);
      if (item !== undefined) item.run();
      else if (now === to) break;
    }
    const timer = this.#clock.next();
    if (timer !== undefined && timer <= to) this.#could('timers', true, () => this.#clock.fire());
  }
}

function startOf(scenario: Scenario, policy: CompiledPolicy) {
  return {
    kind: 'start' as const,
    run: 'scenario',
    version: '0',
    boot: 'virtual',
    command: ['scenario'],
    policy: { name: 'scenario', digest: policy.digest },
    hook: 'scripted',
    reviewer: scenario.reviewer,
    observe: false,
    fast_path: scenario.fastPath,
    durability: 'batched' as const,
    record: scenario.policy.record ?? ('changes' as const),
  };
}

/** Lets every promise that can move on do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
