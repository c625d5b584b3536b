/**
 * What stands beside a trail in its state folder bears witness of runs: a run writes `run.json`, `policy.yaml` and
 * `journal.ring` only once its `start` record is on stable storage. So wherever one of them stands, the trail holds
 * a record, and the very run that `run.json` names; a trail that does not was emptied, removed or rolled back.
 * A witness that is gone says nothing: whoever can empty the trail can remove the rest as well, and then nothing in
 * the folder tells.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { StatePaths } from '../state.ts';
import type { Scan } from './scan.ts';

/** What the witnesses say against a trail that was scanned to its end, in a sentence; null for nothing. */
export function contradiction(paths: StatePaths, { position, ledger }: Scan): string | null {
  const witnesses = [paths.run, paths.policy, paths.journal].filter((file) => existsSync(file));
  if (witnesses.length === 0) return null;
  if (position.seq === 0)
    return `the trail holds no whole record, yet ${witnesses.map((file) => basename(file)).join(', ')} beside it ${witnesses.length === 1 ? 'is' : 'are'} of a run: its records were removed`;
  const run = runNamed(paths.run);
  return run === null || ledger.known.has(run)
    ? null
    : `run.json beside the trail names run ${JSON.stringify(run)}, of which the trail holds no record: records were removed, or one of them is of another folder`;
}

/** The run that `run.json` names; null where it is absent or says nothing that can be read. */
function runNamed(file: string): string | null {
  try {
    const { run } = JSON.parse(readFileSync(file, 'utf8')) as { run?: unknown };
    return typeof run === 'string' ? run : null;
  } catch {
    return null; // opening the folder for a run refuses such a file by itself
  }
}
