/**
 * P3 and P5 across a crash. The monitor dies at any step, by SIGKILL or by a power cut, and recovery may die as
 * well before it succeeds. Then: the trail verifies; every record that was durable is still there; what the fast
 * path released is recorded, because it lay in the journal first (SIGKILL; a power cut takes the journal with
 * it); every pending review is denied, and recovery allows nothing.
 *
 * Counted reads may be counted twice, by a monitor that died just after recording them; none is lost.
 */
import fc from 'fast-check';
import { openTrail } from '../monitor/audit/recover.ts';
import { verifyTrail } from '../monitor/audit/verify.ts';
import { must, property } from './check.ts';
import { gated, type History, type Recorded, readTrail, recordsOf, showHistory } from './history.ts';
import { ringFile } from './journal-writer.ts';
import { MemoryStore } from './memory-store.ts';
import { BASE } from './policies.ts';
import type { Property } from './property.ts';
import {
  BEHAVIOURS,
  type Chosen,
  calm,
  chances,
  crashes,
  plans,
  type Scenario,
  scenarios,
  showScenario,
} from './scenario.ts';
import { StallingClock } from './stalling-clock.ts';
import { attempt, reading, routine } from './universe.ts';
import { interleaving, runScenario } from './world.ts';

interface Crash {
  readonly scenario: Scenario;
  readonly interleaving: number;
  /** Recovery dies at its write with this number, first time round; 0: it does not. */
  readonly again: number;
}

interface Aftermath {
  readonly history: History;
  readonly recovered: readonly Recorded[];
}

async function aftermath({ scenario, interleaving, again }: Crash): Promise<Aftermath | null> {
  const history = await runScenario(scenario, interleaving);
  if (!history.crashed) return null;
  const power = scenario.crash?.power === true;
  const lastN = history.arrivals.reduce((most, { n }) => Math.max(most, n), 0);
  const journal = power ? null : ringFile(history.unread, lastN);
  const clock = new StallingClock(2e12);
  const recover = (store: MemoryStore) =>
    openTrail({ store, clock, journal, rules: history.policy.rules, segmentBytes: scenario.segmentBytes });
  let store = MemoryStore.of(history.survivors);
  if (again > 0) {
    const dying = MemoryStore.of(history.survivors, { kind: 'full', at: again, part: 0.5 });
    await recover(dying).catch(() => {});
    store = MemoryStore.of(dying.survivors(false));
  }
  await recover(store);
  const verification = verifyTrail(store);
  must(verification.ok, () => `the recovered trail does not verify: ${verification.problem?.what}`);
  must(verification.closed || verification.records === 0, () => 'the recovered trail is not closed');
  return { history, recovered: readTrail(store.survivors(false), []) };
}

function overCrashes(
  statement: { name: string; sentence: string; promise: string },
  holds: (after: Aftermath) => void,
  chosen: Chosen = {},
): Property {
  return property<Crash>({
    ...statement,
    cases: fc.record({
      scenario: scenarios({ audit: fc.oneof(calm.audit, chances.audit), crash: crashes, ...chosen }),
      interleaving,
      again: fc.oneof(fc.constant(0), fc.nat({ max: 4 })),
    }),
    holds: async (crash) => {
      const after = await aftermath(crash);
      if (after !== null) holds(after);
    },
    show: async ({ scenario, interleaving, again }) =>
      [
        showScenario(scenario),
        again === 0 ? '' : `recovery dies at its write ${again}, then runs again`,
        showHistory(await runScenario(scenario, interleaving)),
      ].join('\n'),
  });
}

export const nothingDurableIsLostByACrash = overCrashes(
  {
    name: 'nothing-durable-is-lost-by-a-crash',
    sentence:
      'recovery keeps every durable record, byte for byte, and every reviewed allow that was released',
    promise: 'P5',
  },
  ({ history, recovered }) => {
    const power = history.scenario.crash?.power === true;
    for (const record of history.trail) {
      if (power && record.durableAt === Number.POSITIVE_INFINITY) continue;
      const kept = recovered.find(({ seq }) => seq === record.seq);
      must(
        JSON.stringify(kept?.payload) === JSON.stringify(record.payload),
        () => `record ${record.seq} was on ${power ? 'stable storage' : 'file'} and is lost`,
      );
    }
    for (const { n, verdict, by } of history.releases) {
      if (verdict !== 'allow' || by !== 'monitor') continue;
      const allowed = recordsOf({ trail: recovered }, 'verdict').some(
        ({ payload }) => payload.n === n && payload.verdict === 'allow',
      );
      const decided = recordsOf({ trail: recovered }, 'decision').some(
        ({ payload }) => payload.event.n === n,
      );
      // A table's allow in the monitor is a fast-path allow: a power cut may take it.
      must(
        allowed || decided || (power && !wasReviewed(history, n)),
        () => `event ${n} was released, and the recovered trail does not know`,
      );
    }
  },
);

export const whatTheFastPathReleasedSurvivesTheMonitor = overCrashes(
  {
    name: 'what-the-fast-path-released-survives-the-monitor',
    sentence:
      'every verdict and every read of the fast path is in the trail after the monitor was killed and recovery ran',
    promise: 'P5',
  },
  ({ history, recovered }) => {
    if (history.scenario.crash?.power === true || history.storeFailedAt !== null) return;
    const decisions = new Map(
      recordsOf({ trail: recovered }, 'decision').map(({ payload }) => [payload.event.n, payload]),
    );
    for (const { n, verdict, by } of history.releases)
      if (by === 'fast-path' && n > 0)
        must(
          decisions.get(n)?.verdict === verdict,
          () => `event ${n} was decided ${verdict} and is not in the trail`,
        );
    const released = history.releases.filter(({ n, by }) => n === 0 && by === 'fast-path').length;
    const counted = recordsOf({ trail: recovered }, 'reads').reduce(
      (sum, { payload }) => sum + payload.count,
      0,
    );
    must(counted >= released, () => `${released} reads were allowed, ${counted} are in the trail`);
  },
  {
    policy: fc.constantFrom(...Object.values(BASE)),
    fastPath: fc.constant('native'),
    crash: crashes.map((crash) => ({ ...crash, power: false })),
    plans: plans(
      fc.oneof(routine, reading, attempt),
      fc.constantFrom(...BEHAVIOURS),
      fc.constant({ tenths: 1, plus: 0 as const }),
    ),
  },
);

export const aDeadMonitorDenies = overCrashes(
  {
    name: 'a-dead-monitor-denies',
    sentence:
      'when the monitor dies, everything pending is denied, in effect and on record, and nothing is allowed',
    promise: 'P3',
  },
  ({ history, recovered }) => {
    const verdicts = recordsOf({ trail: recovered }, 'verdict');
    const answered = new Set(history.calls.map(({ n }) => n));
    for (const { n } of gated(history)) {
      if (answered.has(n)) continue;
      const release = history.releases.find((release) => release.n === n);
      must(
        release?.verdict === 'deny',
        () => `event ${n} was pending when the monitor died, and it was released`,
      );
      must(
        verdicts.every(
          ({ payload }) => payload.n !== n || payload.verdict === 'deny' || wasRecorded(history, n),
        ),
        () => `recovery allowed event ${n}`,
      );
    }
    for (const { payload } of recordsOf({ trail: recovered }, 'review')) {
      const count = verdicts.filter((verdict) => verdict.payload.n === payload.event.n).length;
      must(count === 1, () => `event ${payload.event.n} was put up for review and has ${count} verdicts`);
    }
  },
);

/** An allow that was recorded and not yet given when the monitor died stays on record. */
const wasRecorded = (history: History, n: number): boolean =>
  recordsOf(history, 'verdict').some(({ payload }) => payload.n === n);

const wasReviewed = (history: History, n: number): boolean =>
  recordsOf(history, 'review').some(({ payload }) => payload.event.n === n);
