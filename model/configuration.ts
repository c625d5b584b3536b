/**
 * The configuration space: the choices under which every promise must hold. Plain types and the lists of their
 * values, so that properties, exploration and experiments enumerate the same space.
 */

/**
 * Where the fast path, the walk of the policy's table, runs:
 *   native    in the hook's own thread; only reviews reach the monitor, which walks its own table again
 *   monitor   in the monitor; the hook puts every event up
 *   reviewer  behind the reviewer's queue; even unambiguous events wait their turn there
 *   off       nowhere: whatever policy does not deny goes to the reviewer (the published baseline)
 * The first three give the same verdicts (P7).
 */
export const FAST_PATHS = ['native', 'monitor', 'reviewer', 'off'] as const;
export type FastPath = (typeof FAST_PATHS)[number];

/** Who decides what policy puts up for review. */
export const REVIEWERS = ['none', 'human', 'exec'] as const;
export type ReviewerKind = (typeof REVIEWERS)[number];

/** How the audit trail fares: well, refusing writes or syncs, out of space, or slow to sync. */
export const AUDIT_CONDITIONS = ['ok', 'failing', 'full', 'slow'] as const;
export type AuditCondition = (typeof AUDIT_CONDITIONS)[number];

/** Time from an event's arrival to its deadline, ns: hardly any, the usual, and a patient person's. */
export const DEADLINES = [1e6, 4e9, 600e9] as const;

export interface Configuration {
  readonly fastPath: FastPath;
  readonly reviewer: ReviewerKind;
  /** ns from arrival. */
  readonly deadline: number;
  readonly audit: AuditCondition;
}

/** Every configuration, each exactly once. */
export function* configurations(): Generator<Configuration> {
  for (const fastPath of FAST_PATHS)
    for (const reviewer of REVIEWERS)
      for (const deadline of DEADLINES)
        for (const audit of AUDIT_CONDITIONS) yield { fastPath, reviewer, deadline, audit };
}
