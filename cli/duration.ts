/** Durations on the command line: `4s`, `500ms`, `1.5s`, `2m`. */
import { UsageError } from './errors.ts';

const UNITS: Record<string, number> = { ms: 1e6, s: 1e9, m: 60e9 };
/** Below 10 ms the machinery itself would decide who wins; above 10 minutes a hung program looks like a review. */
const MIN_NS = 10e6;
const MAX_NS = 600e9;

/** Nanoseconds. Throws UsageError that names `option` for anything that is not a duration within the limits. */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/.exec(text);
  if (match === null)
    throw new UsageError(`${option}: '${text}' is not a duration; write for example 4s, 500ms or 2m`);
  const ns = Math.round(Number(match[1]) * UNITS[match[2]!]!);
  if (ns < MIN_NS || ns > MAX_NS)
    throw new UsageError(`${option}: ${text} is out of range; choose between 10ms and 10m`);
  return ns;
}
