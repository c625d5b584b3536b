/**
 * What counts as an answer. Reviewers are outside the monitor's trust: whatever they return is rebuilt here from
 * the parts that are expected, and anything else is `malformed`, which is a denial.
 */
import { canonical } from '../audit/canonical.ts';
import { type ReviewAnswer, ReviewerError } from './contract.ts';

/** Longest reason and longest facts (as canonical JSON) that an answer may carry, UTF-16 units. */
export const MAX_REASON = 1024;
export const MAX_FACTS = 4096;

/** The answer, as plain data of its own. Throws ReviewerError `malformed`. */
export function checkedAnswer(value: unknown): ReviewAnswer {
  if (typeof value !== 'object' || value === null) throw malformed('it is not an object');
  const { verdict, reason, facts } = value as Record<string, unknown>;
  if (verdict !== 'allow' && verdict !== 'deny') throw malformed('its verdict is neither allow nor deny');
  if (typeof reason !== 'string') throw malformed('its reason is not a string');
  if (reason.length > MAX_REASON) throw malformed(`its reason is longer than ${MAX_REASON} characters`);
  if (facts === undefined) return { verdict, reason };
  return { verdict, reason, facts: checkedFacts(facts) };
}

function checkedFacts(facts: unknown): Record<string, unknown> {
  if (typeof facts !== 'object' || facts === null || Array.isArray(facts))
    throw malformed('its facts are not an object');
  let text: string;
  try {
    text = canonical(facts);
  } catch {
    throw malformed('its facts are not JSON');
  }
  if (text.length > MAX_FACTS) throw malformed(`its facts are longer than ${MAX_FACTS} characters`);
  return JSON.parse(text) as Record<string, unknown>;
}

const malformed = (what: string): ReviewerError =>
  new ReviewerError('malformed', `the reviewer's answer is malformed: ${what}`);
