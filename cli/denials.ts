/**
 * What `run` says on stderr: one line for each denial, naming operation, object and deciding rule, and the
 * command that explains it.
 */
import type { JudgedEvent } from '../monitor/judged.ts';
import { describeObject, explainCommand } from './describe.ts';
import { complain, safe } from './output.ts';

export interface DenialContext {
  /** The policy as the user named it. */
  readonly policy: string;
  /** Set where the user gave --workspace: the explaining command needs it too. */
  readonly workspace?: string | undefined;
}

/** The line for one judged event, or null where nothing was denied. */
export function denialLine({ event, verdict, enforced }: JudgedEvent, context: DenialContext): string | null {
  if (verdict.verdict === 'allow' || !enforced) return null;
  const who =
    verdict.layer === 'policy' && verdict.rule !== null
      ? `rule ${safe(verdict.rule)}`
      : verdict.rule === null
        ? `the ${verdict.layer}`
        : `the ${verdict.layer} under rule ${safe(verdict.rule)}`;
  const why = verdict.reason === '' ? '' : ` (${safe(verdict.reason)})`;
  const see = explainCommand(event, context.policy, context.workspace);
  return `portcullis: denied ${event.operation} ${describeObject(event.object)} by ${who}${why}; see: ${see}`;
}

/** An observer that writes the lines. */
export function sayDenials(context: DenialContext): (judged: JudgedEvent) => void {
  return (judged) => {
    const line = denialLine(judged, context);
    if (line !== null) complain(line);
  };
}
