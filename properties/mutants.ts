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
const TRAIL = 'monitor/audit/trail.ts';
const SCAN = 'monitor/audit/scan.ts';
const HASH = 'monitor/audit/hash.ts';
const RECOVER = 'monitor/audit/recover.ts';

export const mutants: readonly Mutant[] = [
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
  // P4: deny is final
  {
    name: 'deny-put-up-for-review',
    file: MACHINE,
    find: "{ guard: 'policyDenies', ...deny('policy') },",
    replace: '',
    caughtBy: 'deny-is-final',
    why: "policy's deny goes on to the reviewer",
  },
  {
    name: 'reviewer-asked-about-denied-events',
    file: MACHINE,
    find: "{ guard: 'policyDenies', ...deny('policy') },",
    replace: '',
    caughtBy: 'reviewers-see-only-what-policy-put-up-for-review',
    why: 'the reviewer is asked about what policy denies',
  },
  {
    name: 'constitution-skipped',
    file: MACHINE,
    find: "{ guard: 'constitutionRefuses', ...deny('constitution') },",
    replace: '',
    caughtBy: 'deny-is-final',
    why: "the reviewer's allow is not held against the constitution",
  },
  {
    name: 'untrusted-subjects-reviewed',
    file: MACHINE,
    find: "{ guard: 'trustRefuses', ...deny('trust') },",
    replace: '',
    caughtBy: 'reviewers-see-only-what-policy-put-up-for-review',
    why: 'untrusted subjects reach the reviewer',
  },
  // P3: each failure denies
  {
    name: 'disagreement-ignored',
    file: MACHINE,
    find: "{ guard: 'contradictsHook', ...deny('monitor') },",
    replace: '',
    caughtBy: 'a-hook-that-disagrees-denies',
    why: 'the hook and the monitor disagree and nobody minds',
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
  // P5: recorded before release
  {
    name: 'not-synced-before-release',
    file: TRAIL,
    find: 'await this.#file.sync();',
    replace: 'void this.#file.sync();',
    caughtBy: 'a-reviewed-allow-is-durable-before-release',
    why: 'the flush does not wait for the disk',
  },
  {
    name: 'sync-of-others-counts',
    file: TRAIL,
    find: 'this.#next ??= newBatch();',
    replace: 'if (this.#flushing) return Promise.resolve(); this.#next ??= newBatch();',
    caughtBy: 'a-reviewed-allow-is-durable-before-release',
    why: 'a flush that was already under way counts for records appended after it began',
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
  {
    name: 'recovery-ignores-the-journal',
    file: RECOVER,
    find: 'const left = ledger.open ? unchained(options, ledger)',
    replace: 'const left = false ? unchained(options, ledger)',
    caughtBy: 'what-the-fast-path-released-survives-the-monitor',
    why: 'what the fast path had released is forgotten after a crash',
  },
  {
    name: 'recovery-drops-what-follows-a-known-entry',
    file: RECOVER,
    find: "entry.kind === 'counted' ? i > known : !ledger.numbers.has(entry.event.n)",
    replace: 'i > known + 1',
    caughtBy: 'what-the-fast-path-released-survives-the-monitor',
    why: 'the first unread journal entry is taken for a known one',
  },
  {
    name: 'recovery-cuts-a-whole-record',
    file: SCAN,
    find: 'bytes += piece.bytes.length + 1;',
    replace: 'bytes += scan.ledger.pending.size > 0 ? 0 : piece.bytes.length + 1;',
    caughtBy: 'nothing-durable-is-lost-by-a-crash',
    why: 'recovery cuts more than the torn record',
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
    find: 'frame.add(payload);',
    replace: 'frame.add(payload.replace(/"verdict":"[a-z]+"/g, \'\'));',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the decision',
  },
  {
    name: 'hash-leaves-out-the-rule',
    file: HASH,
    find: 'frame.add(payload);',
    replace: 'frame.add(payload.replace(/"rule":(null|"[^"]*")/g, \'\'));',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the deciding rule',
  },
  {
    name: 'hash-leaves-out-the-time',
    file: HASH,
    find: 'frame.add(String(mono));',
    replace: '',
    caughtBy: 'tampering-is-detected',
    why: 'the hash does not cover the clock reading',
  },
];
