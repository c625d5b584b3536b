/** The reviewer that is not there: what policy puts up for review is denied at once. */
import type { ReviewAnswer, Reviewer } from './contract.ts';

export const noReviewer: Reviewer = {
  name: 'none',
  start: async () => {},
  review: async (): Promise<ReviewAnswer> => ({
    verdict: 'deny',
    reason: 'policy asks for a review and no reviewer is set (--reviewer)',
  }),
  stop: async () => {},
};
