/**
 * Planted bugs, as data: one change to one line of a source file, and the property that must find a
 * counterexample in the changed tree (test/properties/mutants.test.ts). A check that no bug can fail checks
 * nothing; these are the bugs that this kind of program is known for.
 *
 * `find` must stand exactly once in the compiled file, up to white space, so that a mutant cannot rot in silence:
 * take it from code without type annotations. Names describe the bug.
 */
export interface Mutant {
  readonly name: string;
  /** The source file, from the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Name of the property. */
  readonly caughtBy: string;
  /** What went wrong, in a few words. */
  readonly why: string;
}

const MACHINE = 'model/machine.ts';
const JUDGEMENT = 'monitor/judgement.ts';
const MONITOR = 'monitor/monitor.ts';
const WIRE = 'monitor/reviewers/wire.ts';
const TRAIL = 'monitor/audit/trail.ts';
const SCAN = 'monitor/audit/scan.ts';
const HASH = 'monitor/audit/hash.ts';
const RECOVER = 'monitor/audit/recover.ts';
const JOURNAL = 'monitor/journal.ts';

export const mutants: readonly Mutant[] = [
  // P1: exactly one answer
  {
    name: 'machine-not-compared-at-answer-time',
    file: MACHINE,
    find: "{ guard: 'late', ...withdraw('deadline') },",
    replace: '',
    caughtBy: 'every-reachable-configuration-is-safe',
    why: 'the deadline is not compared again once the record is made',
  },
  {
    name: 'machine-recording-never-expires',
    file: MACHINE,
    find: "expired: withdraw('deadline'),",
    replace: '',
    caughtBy: 'every-reachable-configuration-is-safe',
    why: 'an allow whose record never comes back waits for ever',
  },
  {
    name: 'throwing-guard-leaves-the-event-stuck',
    file: JUDGEMENT,
    find: 'return this.#fail(input.at,',
    replace: 'return []; String(',
    caughtBy: 'every-reachable-configuration-is-safe',
    why: 'a layer that throws leaves its event unanswered',
  },
  {
    name: 'answered-twice',
    file: JUDGEMENT,
    find: 'if (this.#state.answered) return;',
    replace: '',
    caughtBy: 'every-event-is-answered-exactly-once',
    why: 'a withdrawn allow is answered a second time',
  },
  {
    name: 'overflow-left-unanswered',
    file: MONITOR,
    find: 'else if (full) this.#failOne(',
    replace: 'else if (full) String(',
    caughtBy: 'every-event-is-answered-by-its-deadline',
    why: 'an event beyond the limit is dropped in silence',
  },
  {
    name: 'end-leaves-events-waiting',
    file: MONITOR,
    find: 'this.#stopped = true; for (const waiting of [...this.#waiting.values()])',
    replace: 'this.#stopped = true; for (const waiting of [])',
    caughtBy: 'every-event-is-answered-exactly-once',
    why: 'what waits when the run ends is never answered',
  },
  {
    name: 'deny-answered-as-allow',
    file: MONITOR,
    find: 'this.#options.hook.answer(n, verdict)',
    replace: "this.#options.hook.answer(n, 'allow')",
    caughtBy: 'nothing-is-released-without-an-allow',
    why: 'the hook is told allow whatever the verdict',
  },
  {
    name: 'records-never-written',
    file: TRAIL,
    find: 'this.#file.append(bytes);',
    replace: '',
    caughtBy: 'nothing-is-released-without-an-allow',
    why: 'records are sealed and not written',
  },
  {
    name: 'reads-forgotten',
    file: MONITOR,
    find: 'this.#reads.flush();',
    replace: '',
    caughtBy: 'counters-reconcile-with-the-trail',
    why: 'counts of reads are dropped',
  },
  {
    name: 'reads-counted-once',
    file: 'monitor/reads.ts',
    find: 'known.count += 1;',
    replace: 'known.count += 0;',
    caughtBy: 'counters-reconcile-with-the-trail',
    why: 'further reads of the same kind are not counted',
  },
  {
    name: 'late-allow-not-withdrawn',
    file: JUDGEMENT,
    find: "this.#acts.push({ do: 'append', payload: { kind: 'late', n: this.event.n } });",
    replace: '',
    caughtBy: 'counters-reconcile-with-the-trail',
    why: 'a recorded allow that was not released stays on record as released',
  },
  // P2: the deadline
  {
    name: 'deadline-counts-as-in-time',
    file: MACHINE,
    find: 'at < event.deadline',
    replace: 'at <= event.deadline',
    caughtBy: 'no-allow-at-or-after-the-deadline',
    why: 'an answer at the very deadline is accepted',
  },
  {
    name: 'late-answer-accepted',
    file: MACHINE,
    find: "{ guard: 'late', ...deny('deadline') }, { guard: 'policyAllowsInTurn'",
    replace: "{ guard: 'policyAllowsInTurn'",
    caughtBy: 'no-allow-at-or-after-the-deadline',
    why: "the reviewer's answer is not compared with the deadline",
  },
  {
    name: 'not-compared-at-answer-time',
    file: MACHINE,
    find: "{ guard: 'late', ...withdraw('deadline') },",
    replace: '',
    caughtBy: 'no-allow-at-or-after-the-deadline',
    why: 'the deadline is not compared again after the record was synced',
  },
  {
    name: 'timer-set-too-late',
    file: MONITOR,
    find: 'clock.schedule(waiting.judgement.event.deadline,',
    replace: 'clock.schedule(waiting.judgement.event.deadline + 1000,',
    caughtBy: 'every-event-is-answered-by-its-deadline',
    why: "the deadline's timer is a microsecond late",
  },
  {
    name: 'expiry-ignored',
    file: MACHINE,
    find: "expired: deny('deadline'),",
    replace: '',
    caughtBy: 'every-event-is-answered-by-its-deadline',
    why: 'the deadline passes and nothing happens',
  },
  // P3: each failure denies
  {
    name: 'malformed-answer-is-an-allow',
    file: 'monitor/reviewers/answer.ts',
    find: "throw malformed('its verdict is neither allow nor deny');",
    replace: "return { verdict: 'allow', reason: 'lenient' };",
    caughtBy: 'a-reviewer-that-fails-denies',
    why: 'a verdict that is no verdict is taken for an allow',
  },
  {
    name: 'duplicate-answers-accepted',
    file: WIRE,
    find: 'answers.has(id) ||',
    replace: '',
    caughtBy: 'a-reviewer-that-fails-denies',
    why: 'a second answer for the same review is no violation',
  },
  {
    name: 'unknown-ids-ignored',
    file: WIRE,
    find: 'if (!this.#inFlight.has(id))',
    replace: 'if (!this.#inFlight.has(id)) return; if (false)',
    caughtBy: 'a-reviewer-that-fails-denies',
    why: 'an answer for an id that was never asked is no violation',
  },
  {
    name: 'sync-error-swallowed',
    file: TRAIL,
    find: 'batch.reject(this.#fail(error));',
    replace: 'batch.resolve();',
    caughtBy: 'a-trail-that-fails-denies',
    why: 'a failed sync counts as done',
  },
  {
    name: 'write-after-an-error',
    file: TRAIL,
    find: 'throw this.#fail(error);',
    replace: 'this.#seq += 1;',
    caughtBy: 'a-trail-that-fails-denies',
    why: 'a failed write is passed over',
  },
  {
    name: 'one-too-many-in-flight',
    file: MONITOR,
    find: 'this.#waiting.size >= this.#limits.pending',
    replace: 'this.#waiting.size > this.#limits.pending',
    caughtBy: 'a-full-queue-denies',
    why: 'the limit is off by one',
  },
  {
    name: 'no-limit',
    file: MONITOR,
    find: 'else if (full)',
    replace: 'else if (false)',
    caughtBy: 'a-full-queue-denies',
    why: 'the queue has no limit',
  },
  {
    name: 'disagreement-ignored',
    file: MACHINE,
    find: "{ guard: 'contradictsHook', ...deny('monitor') },",
    replace: '',
    caughtBy: 'a-hook-that-disagrees-denies',
    why: 'the hook and the monitor disagree and nobody minds',
  },
  {
    name: 'half-a-disagreement-ignored',
    file: MACHINE,
    find: "context.fastPath === 'native' && context.policy !== 'review'",
    replace: "context.fastPath === 'native' && context.policy === 'deny'",
    caughtBy: 'a-hook-that-disagrees-denies',
    why: 'an event that policy allows is reviewed because the hook says so',
  },
  {
    name: 'recovery-forgets-the-pending',
    file: RECOVER,
    find: 'const pending = [...ledger.pending];',
    replace: 'const pending = []; ledger.pending.clear();',
    caughtBy: 'a-dead-monitor-denies',
    why: 'reviews that waited when the monitor died get no verdict',
  },
  {
    name: 'recovery-allows-the-pending',
    file: RECOVER,
    find: "verdict: 'deny', layer: 'monitor',",
    replace: "verdict: 'allow', layer: 'monitor',",
    caughtBy: 'a-dead-monitor-denies',
    why: 'reviews that waited when the monitor died are recorded as allowed',
  },
  // P4: deny is final
  {
    name: 'constitution-skipped',
    file: MACHINE,
    find: "{ guard: 'constitutionRefuses', ...deny('constitution') },",
    replace: '',
    caughtBy: 'deny-is-final',
    why: "the reviewer's allow is not held against the constitution",
  },
  {
    name: 'trust-skipped',
    file: MACHINE,
    find: "{ guard: 'trustRefuses', ...deny('trust') },",
    replace: '',
    caughtBy: 'deny-is-final',
    why: "an untrusted subject's event is allowed by the reviewer",
  },
  {
    name: 'first-claim-decides',
    file: 'model/policy/decide.ts',
    find: '.reduce((best, next) => (stronger(best.effect, next.effect) === best.effect ? best : next));',
    replace: '[0];',
    caughtBy: 'deny-is-final',
    why: "only the first of an event's claims is judged: a rename onto a denied name passes",
  },
  {
    name: 'untrusted-subjects-reviewed',
    file: MACHINE,
    find: "{ guard: 'trustRefuses', ...deny('trust') },",
    replace: '',
    caughtBy: 'reviewers-see-only-what-policy-put-up-for-review',
    why: 'untrusted subjects reach the reviewer',
  },
  {
    name: 'decided-events-reviewed',
    file: JUDGEMENT,
    find: "if (!this.#underReview) { this.#acts.push({ do: 'ask', request: null });",
    replace: "if (false) { this.#acts.push({ do: 'ask', request: null });",
    caughtBy: 'reviewers-see-only-what-policy-put-up-for-review',
    why: 'the reviewer is asked about what policy decides',
  },
  // P5: recorded before release
  {
    name: 'not-synced-before-release',
    file: TRAIL,
    find: 'await file.sync();',
    replace: 'void file.sync();',
    caughtBy: 'a-reviewed-allow-is-durable-before-release',
    why: 'the flush does not wait for the disk',
  },
  {
    name: 'sync-of-others-counts',
    file: TRAIL,
    find: 'this.#next ??= newBatch();',
    replace: 'if (this.#flushing) return Promise.resolve(); this.#next ??= newBatch();',
    caughtBy: 'a-reviewed-allow-is-durable-before-release',
    why: 'a flush that was under way counts for records appended after it began',
  },
  {
    name: 'released-before-sync',
    file: JUDGEMENT,
    find: "durable: layer !== 'policy' || this.#court.strict",
    replace: 'durable: this.#court.strict',
    caughtBy: 'a-reviewed-allow-is-durable-before-release',
    why: 'a reviewed allow is written and not synced',
  },
  {
    name: 'recovery-ignores-the-journal',
    file: RECOVER,
    find: 'const left = ledger.open ?',
    replace: 'const left = false ?',
    caughtBy: 'what-the-fast-path-released-survives-the-monitor',
    why: 'what the fast path had released is forgotten after a crash',
  },
  {
    name: 'recovery-drops-the-first-entry',
    file: RECOVER,
    find: 'const fresh = entries.filter((entry) =>',
    replace: 'const fresh = entries.slice(1).filter((entry) =>',
    caughtBy: 'what-the-fast-path-released-survives-the-monitor',
    why: 'the first unread journal entry is taken for a known one',
  },
  {
    name: 'recovery-forgets-reads',
    file: RECOVER,
    find: "entry.kind === 'counted' || ",
    replace: "entry.kind !== 'counted' && ",
    caughtBy: 'what-the-fast-path-released-survives-the-monitor',
    why: 'reads that lay in the journal of a dead monitor are not counted',
  },
  {
    name: 'recovery-cuts-a-whole-record',
    file: SCAN,
    find: 'bytes += piece.bytes.length + 1;',
    replace: 'bytes += scan.ledger.pending.size > 0 ? 0 : piece.bytes.length + 1;',
    caughtBy: 'nothing-durable-is-lost-by-a-crash',
    why: 'recovery cuts more than the torn record',
  },
  {
    name: 'recovery-begins-anew',
    file: RECOVER,
    find: 'const trail = openAt(options, position);',
    replace: 'const trail = openAt(options, { ...position, bytes: 0 });',
    caughtBy: 'nothing-durable-is-lost-by-a-crash',
    why: 'recovery empties the last segment',
  },
  {
    name: 'journal-rule-lost',
    file: JOURNAL,
    find: "return { kind: 'review', event, rule };",
    replace: "return { kind: 'review', event, rule: null };",
    caughtBy: 'the-journal-reader-agrees-with-its-writer',
    why: 'the rule of a review is not read',
  },
  {
    name: 'journal-deadline-misread',
    file: JOURNAL,
    find: 'deadline: 32',
    replace: 'deadline: 24',
    caughtBy: 'the-journal-reader-agrees-with-its-writer',
    why: 'the deadline is read from the wrong place',
  },
  // P6: audit integrity
  {
    name: 'hash-not-compared',
    file: SCAN,
    find: 'if (record.hash !== due)',
    replace: 'if (false)',
    caughtBy: 'tampering-is-detected',
    why: 'the verifier believes the hash that stands in the line',
  },
  {
    name: 'chain-not-followed',
    file: SCAN,
    find: 'if (record.prev !== prev)',
    replace: 'if (false)',
    caughtBy: 'tampering-is-detected',
    why: 'a line sealed anew passes, whatever follows it',
  },
  {
    name: 'hash-leaves-out-the-verdict',
    file: HASH,
    find: 'String(mono), prev, payload])',
    replace: 'String(mono), prev, payload.replace(/"verdict":"[a-z]+"/g, "")])',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the decision',
  },
  {
    name: 'hash-leaves-out-the-rule',
    file: HASH,
    find: 'String(mono), prev, payload])',
    replace: 'String(mono), prev, payload.replace(/"rule":(null|"[^"]*")/g, "")])',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the deciding rule',
  },
  {
    name: 'hash-leaves-out-the-clock',
    file: HASH,
    find: '[String(seq), time, String(mono), prev, payload]',
    replace: '[String(seq), time, prev, payload]',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the clock reading',
  },
  // P7: placement and matchers
  {
    name: 'turn-loses-its-allow',
    file: MACHINE,
    find: "{ guard: 'policyAllowsInTurn', ...record('policy') },",
    replace: '',
    caughtBy: 'placement-does-not-matter',
    why: "behind the reviewer's queue, what policy allows is denied",
  },
  {
    name: 'turn-loses-its-deny',
    file: MACHINE,
    find: "{ guard: 'policyDeniesInTurn', ...deny('policy') },",
    replace: '',
    caughtBy: 'placement-does-not-matter',
    why: "behind the reviewer's queue, what policy denies is denied by another layer",
  },
  {
    name: 'last-claim-names-the-rule',
    file: 'model/policy/decide.ts',
    find: '=== best.effect ? best : next',
    replace: '=== next.effect ? next : best',
    caughtBy: 'the-table-agrees-with-the-oracle',
    why: 'of equally strong claims the last names the rule',
  },
  {
    name: 'star-crosses-slashes',
    file: 'model/policy/glob.ts',
    find: "const STAR = { kind: 'many', set: NOT_SLASH };",
    replace: "const STAR = { kind: 'many', set: NOT_NUL };",
    caughtBy: 'the-table-agrees-with-the-oracle',
    why: '* matches across folders',
  },
  // P8: replay
  {
    name: 'rate-limit-reads-the-wall-clock',
    file: 'monitor/layers/rate.ts',
    find: 'const passed = Math.max(0, at - then) / 1e9;',
    replace: 'const passed = (Date.now() % 2) * 10;',
    caughtBy: 'replay-is-exact',
    why: 'the rate limit depends on the wall clock',
  },
  {
    name: 'digest-depends-on-the-clock',
    file: 'monitor/review-digest.ts',
    find: 'canonical(request)',
    replace: 'canonical(request) + process.hrtime.bigint()',
    caughtBy: 'replay-is-exact',
    why: "the digest of the reviewer's input has the time in it",
  },
];
