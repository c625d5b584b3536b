/**
 * Opening a trail, whatever state its last owner left it in.
 *
 * A monitor that died leaves: perhaps a torn last record, perhaps records in its journal that it had not
 * chained yet, perhaps reviews that never got a verdict. Recovery, in this order:
 *   1. reads the whole trail; anything wrong but a torn last record refuses, saying where and what, and so does a
 *      trail that lacks what stands beside it;
 *   2. cuts the torn record (its event, if any, is still in the journal: that is read only after chaining);
 *   3. chains what the journal holds and the trail does not, told apart by event number;
 *   4. records a deny for every review without verdict: nothing was released, since only an answer releases;
 *   5. writes one `recovered` record saying what was done, and puts all of it on stable storage.
 * Dying in the middle of that is harmless: the next recovery does what is left.
 *
 * Counted reads have no event number. All that still stand in the journal are counted: where the monitor died
 * between recording a batch and letting go of it in the journal, that batch's reads count twice, and none is lost.
 */
import type { Clock } from '../clock.ts';
import type { HookEntry } from '../hook.ts';
import { decodeDeadJournal, JournalError } from '../journal.ts';
import { decisionOf, type RuleName, ruleId } from './from-hook.ts';
import type { Ledger } from './ledger.ts';
import { newScan, type Scan, scanTrail } from './scan.ts';
import { FileTrail, TrailError, type TrailOptions } from './trail.ts';

/** Why recovery's verdicts deny. */
export const DIED = 'the monitor died while this waited';

export interface OpenOptions extends Omit<TrailOptions, 'position'> {
  /** The dead monitor's journal file, whole; null where there is none. */
  readonly journal?: Uint8Array | null;
  /** The rules of the dead monitor's policy, in the order of its table. */
  readonly rules?: readonly RuleName[];
  /** This boot's id. After another boot the journal may be damaged (it is never flushed to disk): its sound
   * beginning is taken and an anomaly recorded. Within the same boot a damaged journal refuses. */
  readonly boot?: string;
  /** What stands beside the trail and speaks against it (witness.ts), given what the scan found; null for nothing. */
  readonly contradiction?: (scan: Scan) => string | null;
}

export interface Recovery {
  /** Bytes of the torn last record that were cut. */
  readonly cutBytes: number;
  /** Journal entries chained now: decisions, reviews and counts. */
  readonly fromJournal: number;
  /** Events whose review was denied now. */
  readonly deniedPending: readonly number[];
}

export interface Opened {
  readonly trail: FileTrail;
  /** What had to be mended; null for a new trail and for one that was closed properly. */
  readonly recovery: Recovery | null;
}

/** Opens the trail for appending. Rejects with TrailError where it must not be continued. */
export async function openTrail(options: OpenOptions): Promise<Opened> {
  const scan = newScan();
  for (const _ of scanTrail(options.store, scan)) {
    // every record is checked by the scan
  }
  const { problem, ledger, position, torn } = scan;
  if (problem?.kind === 'bad')
    throw new TrailError(`${problem.file}:${problem.line}: ${problem.what}; this trail is not continued`);
  const against = options.contradiction?.(scan) ?? null;
  if (against !== null) throw new TrailError(`${against}; this trail is not continued`);
  const left = ledger.open ? unchained(options, ledger) : { entries: [], damage: null };

  const trail = openAt(options, position);
  if (!ledger.open && torn === 0) return { trail, recovery: null };
  const fromJournal = chain(trail, ledger, left.entries, options.rules ?? []);
  if (left.damage !== null)
    trail.append({ kind: 'anomaly', what: 'journal damaged', detail: left.damage.message });
  const deniedPending = denyPending(trail, ledger, options.clock);
  trail.append({
    kind: 'recovered',
    cut_bytes: torn,
    from_journal: fromJournal,
    denied_pending: deniedPending,
  });
  await trail.sync();
  return { trail, recovery: { cutBytes: torn, fromJournal, deniedPending } };
}

function openAt(options: OpenOptions, position: TrailOptions['position'] & object): FileTrail {
  try {
    return new FileTrail({ ...options, position });
  } catch (error) {
    throw new TrailError(`the audit trail cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

/** The journal's entries that the trail does not hold yet. */
function unchained(
  options: OpenOptions,
  ledger: Ledger,
): { entries: HookEntry[]; damage: JournalError | null } {
  const { journal, boot } = options;
  if (journal === undefined || journal === null) return { entries: [], damage: null };
  let damage: JournalError | null = null;
  const note = (error: JournalError): void => {
    damage = error;
  };
  const rebooted = boot !== undefined && boot !== ledger.boot;
  let entries: HookEntry[] = [];
  try {
    ({ entries } = decodeDeadJournal(journal, rebooted ? note : undefined));
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    if (!rebooted) throw new TrailError(`the dead monitor's journal cannot be read: ${error.message}`);
    damage = error;
  }
  const fresh = entries.filter((entry) => entry.kind === 'counted' || !ledger.numbers.has(entry.event.n));
  return { entries: fresh, damage };
}

/** Appends what the entries report, reads summed up first by executable, process and rule. */
function chain(
  trail: FileTrail,
  ledger: Ledger,
  entries: readonly HookEntry[],
  rules: readonly RuleName[],
): number {
  const reads = new Map<string, { exe: string; pid: number; rule: string | null; count: number }>();
  for (const entry of entries) {
    if (entry.kind === 'counted') {
      const { exe, pid } = entry;
      const rule = ruleId(rules, entry.rule);
      const key = `${pid}\0${rule}\0${exe}`;
      const counted = reads.get(key) ?? { exe, pid, rule, count: 0 };
      counted.count += 1;
      reads.set(key, counted);
    } else if (entry.kind === 'decided') {
      trail.append(decisionOf(entry, rules));
    } else {
      trail.append({ kind: 'review', event: entry.event, rule: ruleId(rules, entry.rule ?? null) });
      ledger.pending.add(entry.event.n);
    }
  }
  for (const counted of reads.values()) trail.append({ kind: 'reads', ...counted });
  return entries.length;
}

function denyPending(trail: FileTrail, ledger: Ledger, clock: Clock): number[] {
  const pending = [...ledger.pending];
  for (const n of pending)
    trail.append({
      kind: 'verdict',
      n,
      answered: clock.now(),
      enforced: true,
      verdict: 'deny',
      layer: 'monitor',
      rule: null,
      reason: DIED,
    });
  return pending;
}
