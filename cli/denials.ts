/**
 * What `run` says on stderr: one line for each denial, naming operation, object and deciding rule, and the
 * command that explains it.
 */

import type { Layer } from '../model/verdict.ts';
import type { JudgedEvent } from '../monitor/judged.ts';
import { describeObject, explainCommand, type PolicyChoice } from './describe.ts';
import { complain, safe } from './output.ts';

/** Layers that only see what the policy put up for review. */
const AFTER_REVIEW: readonly Layer[] = ['schema', 'trust', 'rate', 'prefilter', 'reviewer', 'constitution'];

/** The line for one judged event, or null where nothing was denied. */
export function denialLine({ event, verdict, enforced }: JudgedEvent, choice: PolicyChoice): string | null {
  if (verdict.verdict === 'allow' || !enforced) return null;
  const who =
    verdict.layer === 'policy' && verdict.rule !== null
      ? `rule ${safe(verdict.rule)}`
      : verdict.rule === null
        ? `the ${verdict.layer}`
        : `the ${verdict.layer} under rule ${safe(verdict.rule)}`;
  const why = verdict.reason === '' ? '' : ` (${safe(verdict.reason)})`;
  const see = `see: ${explainCommand(event, choice)}`;
  return `portcullis: denied ${event.operation} ${describeObject(event.object)} by ${who}${why}; ${meaning(verdict.layer)}${see}`;
}

/** What the explaining command explains where the policy did not decide: it knows the policy alone. */
function meaning(layer: Layer): string {
  if (layer === 'policy') return '';
  return AFTER_REVIEW.includes(layer) ? 'policy had put it up for review, ' : 'for what policy alone says, ';
}

/** An observer that writes the lines. A search along PATH tries one program under several names (/usr/bin/x, /bin/x):
 * where it is denied again and nothing else happened in between, once is enough to say; the trail has each. */
export function sayDenials(choice: PolicyChoice, say = complain): (judged: JudgedEvent) => void {
  let before: { line: string; pid: number } | null = null;
  return (judged) => {
    const line = denialLine(judged, choice);
    const { operation, subject } = judged.event;
    const again = operation === 'exec' && before?.line === line && before?.pid === subject.pid;
    before = line === null ? null : { line, pid: subject.pid };
    if (line !== null && !again) say(line);
  };
}
