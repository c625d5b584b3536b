/** Opening the trail of a state folder: recovery with everything the folder holds, then a clean slate. */
import { existsSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { readJournalFile } from '../journal.ts';
import { bootId, type State } from '../state.ts';
import { type Opened, openTrail } from './recover.ts';
import { FolderStore } from './store.ts';
import type { TrailError } from './trail.ts';
import { contradiction } from './witness.ts';

/** Opens the trail and recovers it if its last monitor died; the dead monitor's journal and socket are then
 * removed, so that no later recovery can take them for a newer run's. Rejects with TrailError, JournalError or
 * the system's error; the folder is then as it was, but for records that recovery had already chained. */
export async function openStateTrail(
  state: State,
  clock: Clock,
  onFailure?: (error: TrailError) => void,
): Promise<Opened> {
  const opened = await openTrail({
    store: new FolderStore(state.trail),
    clock,
    journal: existsSync(state.journal) ? readJournalFile(state.journal) : null,
    rules: state.earlier?.rules ?? [],
    boot: bootId(),
    contradiction: (scan) => contradiction(state, scan),
    ...(onFailure === undefined ? {} : { onFailure }),
  });
  state.forget('journal');
  state.forget('control');
  return opened;
}
