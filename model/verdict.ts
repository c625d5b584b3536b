/** Verdicts: what is answered, by which layer, under which rule, and why. */

/** What a policy says of a word. In order of strength: deny beats review beats allow. */
export const EFFECTS = ['allow', 'review', 'deny'] as const;
export type Effect = (typeof EFFECTS)[number];

/** The stronger of two effects. */
export function stronger(a: Effect, b: Effect): Effect {
  return EFFECTS.indexOf(a) >= EFFECTS.indexOf(b) ? a : b;
}

/** The parts of the pipeline that can decide; the order is the order of the pipeline, and its numbers are
 * those of the journal (hooks/seccomp/native/wire.h): append, never reorder. */
export const LAYERS = [
  'hook', // the hook could not establish the object or the caller: deny
  'policy', // the compiled policy: allow or deny
  'schema',
  'trust',
  'rate',
  'prefilter',
  'reviewer',
  'constitution',
  'audit', // the trail could not be written: deny
  'deadline', // no answer in time: deny
  'monitor', // the monitor itself failed or was restarted: deny
] as const;
export type Layer = (typeof LAYERS)[number];

export interface Verdict {
  readonly verdict: 'allow' | 'deny';
  readonly layer: Layer;
  /** Id of the deciding rule, or null where no rule decided. */
  readonly rule: string | null;
  /** One sentence for a person. */
  readonly reason: string;
}
