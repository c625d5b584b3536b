/** What `--reviewer` names: none, human (answers through `portcullis approve`), or exec:COMMAND. */
import type { Clock } from '../monitor/clock.ts';
import type { Reviewer } from '../monitor/reviewers/contract.ts';
import { ExecReviewer } from '../monitor/reviewers/exec.ts';
import { HumanReviewer } from '../monitor/reviewers/human.ts';
import { noReviewer } from '../monitor/reviewers/none.ts';
import { UsageError } from './errors.ts';
import { safe } from './output.ts';

/** Throws UsageError for anything that `--reviewer` does not know. */
export function checkReviewer(who: string): void {
  const known = who === 'none' || who === 'human' || (who.startsWith('exec:') && who.trim() !== 'exec:');
  if (!known)
    throw new UsageError(`--reviewer: '${safe(who)}' is no reviewer; choose none, human or exec:COMMAND`);
}

export interface ReviewerHost {
  /** Where a person's answers come in. */
  readonly control: string;
  readonly clock: Clock;
  readonly onAnomaly: (what: string, detail: string) => void;
}

/** The reviewer, not yet started. Throws UsageError as above. */
export function reviewerNamed(who: string, { control, clock, onAnomaly }: ReviewerHost): Reviewer {
  checkReviewer(who);
  if (who === 'none') return noReviewer;
  if (who === 'human') return new HumanReviewer({ socket: control, clock });
  return new ExecReviewer(who.slice('exec:'.length), { clock, onAnomaly });
}
