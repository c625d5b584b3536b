/** Reviewers by the name that --reviewer gives. */
import { type Clock, hostClock } from '../clock.ts';
import type { StatePaths } from '../state.ts';
import type { Reviewer } from './contract.ts';
import { ExecReviewer } from './exec.ts';
import { HumanReviewer } from './human.ts';
import { noReviewer } from './none.ts';

export interface ReviewerSettings {
  readonly clock?: Clock;
  /** Told of answers that came after their deadline. */
  readonly onAnomaly?: (what: string, detail: string) => void;
}

/** `none`, `human` or `exec:COMMAND`, not yet started; the human one's socket goes to `place.control`. Throws an
 * Error that says what is wrong with `name`. */
export function createReviewer(
  name: string,
  place: Pick<StatePaths, 'control'>,
  { clock = hostClock, ...settings }: ReviewerSettings = {},
): Reviewer {
  if (name === 'none') return noReviewer;
  if (name === 'human') return new HumanReviewer({ socket: place.control, clock });
  if (name.startsWith('exec:')) return new ExecReviewer(name.slice('exec:'.length), { clock, ...settings });
  throw new Error(`--reviewer ${name}: there is none, human and exec:COMMAND`);
}
