/**
 * Ways to falsify an audit trail, each on a fresh copy: what someone would do who wants a denial, or an allow,
 * not to have happened.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Tampering {
  readonly what: string;
  /** Takes the lines of one segment and gives those of the falsified one. `at` is the line of a denial. */
  readonly apply: (lines: string[], at: number) => string[];
}

export const tamperings: readonly Tampering[] = [
  {
    what: 'a denial rewritten as an allow',
    apply: (lines, at) => lines.with(at, lines[at]!.replace('"verdict":"deny"', '"verdict":"allow"')),
  },
  { what: 'a record cut out of the middle', apply: (lines, at) => lines.toSpliced(at, 1) },
  {
    what: 'two records swapped',
    apply: (lines, at) => lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!),
  },
  { what: 'a record inserted a second time', apply: (lines, at) => lines.toSpliced(at, 0, lines[at]!) },
  {
    what: 'a single digit of a time changed',
    apply: (lines, at) =>
      lines.with(
        at,
        lines[at]!.replace(/(\d)Z"/, (_, d) => `${(Number(d) + 1) % 10}Z"`),
      ),
  },
  { what: 'twenty records cut out', apply: (lines, at) => lines.toSpliced(at, 20) },
];

/** Drops the last records: leaves a sound chain, so it shows only as a missing end and another head. */
export const beheading: Tampering = {
  what: 'the last records dropped',
  apply: (lines, at) => lines.slice(0, at),
};

/** Copies the trail folder of `state` to `copy` and falsifies its first segment there. */
export function tamper(state: string, copy: string, { apply }: Tampering): void {
  rmSync(copy, { recursive: true, force: true });
  cpSync(state, copy, { recursive: true, filter: (path) => !/\.(sock|ring)$/.test(path) });
  const folder = join(copy, 'trail');
  const segment = join(folder, readdirSync(folder).sort()[0]!);
  const lines = readFileSync(segment, 'utf8').split('\n').slice(0, -1);
  const at = lines.findIndex((line) => line.includes('"verdict":"deny"'));
  if (at === -1 || at + 1 >= lines.length) throw new Error(`${segment} holds no denial to falsify`);
  const changed = apply(lines, at);
  if (changed.join('\n') === lines.join('\n')) throw new Error('the falsification changed nothing');
  writeFileSync(segment, `${changed.join('\n')}\n`);
}
