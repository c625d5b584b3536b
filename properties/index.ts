/** Every property there is, in the order of the promises. The library's face, and what `verify` runs. */
import { aReviewedAllowIsDurableBeforeRelease } from './an-allow-is-recorded-before-release.ts';
import { denyIsFinal, reviewersSeeOnlyWhatPolicyPutUpForReview } from './deny-is-final.ts';
import {
  aFullQueueDenies,
  aHookThatDisagreesDenies,
  aReviewerThatFailsDenies,
  aTrailThatFailsDenies,
} from './each-failure-denies.ts';
import {
  countersReconcileWithTheTrail,
  everyEventIsAnsweredExactlyOnce,
  nothingIsReleasedWithoutAnAllow,
} from './every-event-is-answered-exactly-once.ts';
import {
  everyEventIsAnsweredByItsDeadline,
  noAllowAtOrAfterTheDeadline,
} from './no-allow-at-or-after-the-deadline.ts';
import {
  aDeadMonitorDenies,
  nothingDurableIsLostByACrash,
  whatTheFastPathReleasedSurvivesTheMonitor,
} from './nothing-is-lost-by-a-crash.ts';
import { placementDoesNotMatter } from './placement-does-not-matter.ts';
import type { Property } from './property.ts';
import { replayIsExact } from './replay-is-exact.ts';
import { tamperingIsDetected } from './tampering-is-detected.ts';
import { theJournalReaderAgreesWithItsWriter } from './the-journal-reader-agrees-with-its-writer.ts';
import { everyReachableConfigurationIsSafe } from './the-machine-is-explored-exhaustively.ts';
import { theTableAgreesWithTheOracle } from './the-table-agrees-with-the-oracle.ts';

export type { Outcome, Property, RunOptions } from './property.ts';

export const properties: readonly Property[] = [
  everyReachableConfigurationIsSafe,
  everyEventIsAnsweredExactlyOnce,
  nothingIsReleasedWithoutAnAllow,
  countersReconcileWithTheTrail,
  noAllowAtOrAfterTheDeadline,
  everyEventIsAnsweredByItsDeadline,
  aReviewerThatFailsDenies,
  aTrailThatFailsDenies,
  aFullQueueDenies,
  aHookThatDisagreesDenies,
  aDeadMonitorDenies,
  denyIsFinal,
  reviewersSeeOnlyWhatPolicyPutUpForReview,
  aReviewedAllowIsDurableBeforeRelease,
  whatTheFastPathReleasedSurvivesTheMonitor,
  nothingDurableIsLostByACrash,
  theJournalReaderAgreesWithItsWriter,
  tamperingIsDetected,
  placementDoesNotMatter,
  theTableAgreesWithTheOracle,
  replayIsExact,
];
