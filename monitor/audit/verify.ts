/**
 * `audit verify`: is the trail in this store what was written?
 *
 * Detected: any edit, drop, swap, insertion or repetition of records, a missing or foreign segment, a cut in
 * the middle, missing and repeated verdicts, counters that do not agree with the records.
 * Not detected, in this version, without knowing a later hash from elsewhere: records cut off the very end,
 * and a chain written anew from some record on. `closed` says whether the trail ends as a run ends; where it
 * does not, the run is still going on, or its monitor died, or the end was cut off.
 */
import { newScan, type Problem, type Scan, scanTrail } from './scan.ts';
import type { TrailStore } from './store.ts';

export interface Verification {
  readonly ok: boolean;
  readonly records: number;
  readonly segments: number;
  readonly runs: number;
  /** Whether the last run is closed by an `end` or `recovered` record. */
  readonly closed: boolean;
  /** Reviews still without verdict; not a fault while the run goes on. */
  readonly pending: number;
  /** The last good record: note its hash elsewhere, and a later cut before it shows. */
  readonly head: { readonly seq: number; readonly hash: string };
  readonly problem: Problem | null;
}

/** Reads the whole trail; `contradiction` says what stands beside it and speaks against it (witness.ts), or null.
 * System errors are thrown. */
export function verifyTrail(
  store: TrailStore,
  contradiction: (scan: Scan) => string | null = () => null,
): Verification {
  const scan = newScan();
  for (const _ of scanTrail(store, scan)) {
    // every record is checked by the scan
  }
  const { ledger, position } = scan;
  const problem =
    scan.problem?.kind === 'bad' ? scan.problem : (contradicted(store, scan, contradiction) ?? scan.problem);
  return {
    ok: problem === null,
    records: position.seq,
    segments: store.segments().length,
    runs: ledger.runs,
    closed: position.seq > 0 && !ledger.open,
    pending: ledger.pending.size,
    head: { seq: position.seq, hash: position.hash },
    problem,
  };
}

/** A contradiction as a problem of the segment where what is missing would stand. */
function contradicted(
  store: TrailStore,
  scan: Scan,
  contradiction: (scan: Scan) => string | null,
): Problem | null {
  const what = contradiction(scan);
  return what === null
    ? null
    : { file: store.name(Math.max(1, scan.position.segment)), line: 1, what, kind: 'bad' };
}
