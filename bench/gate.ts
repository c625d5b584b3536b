/**
 * The gate itself: open+close under the monitor against the cheapest supervisor there can be (floor.c), and the
 * hook's own time from notification to answer. Each round measures every side in turn; figures are medians.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTrace } from '../traces/reader.ts';
import { type Figure, median, quantile } from './report.ts';
import { ROOT, Scratch } from './scratch.ts';
import type { Sizes } from './sizes.ts';

const FLOOR = join(ROOT, 'build/floor');

/** Denies two places and allows the rest, so that every open is judged on its path. */
const POLICY = `version: 1
rules:
  - id: keys
    effect: deny
    operations: [read, write, create, delete]
    paths: ["~/.ssh/**", "**/.env", "**/id_rsa"]
  - id: rest
    effect: allow
    operations: [read, write, create, delete, exec, connect]
`;

export async function gate(sizes: Sizes): Promise<Figure[]> {
  const scratch = new Scratch();
  try {
    const policy = join(scratch.root, 'policy.yaml');
    writeFileSync(policy, POLICY);
    const target = join(scratch.workspace, 'file');
    writeFileSync(target, 'x');
    return [
      ...(await cores(sizes, scratch, policy, target, 'two cores', [])),
      ...(await cores(sizes, scratch, policy, target, 'one core', ['taskset', '-c', '0'])),
    ];
  } finally {
    scratch.dispose();
  }
}

async function cores(
  { opens, rounds }: Sizes,
  scratch: Scratch,
  policy: string,
  target: string,
  where: string,
  pin: readonly string[],
): Promise<Figure[]> {
  const plain: number[] = [];
  const floor: number[] = [];
  const gated: number[] = [];
  const p50: number[] = [];
  const p99: number[] = [];
  const command = (mode: string) => [FLOOR, mode, String(opens), target];
  for (let round = 0; round < rounds; round += 1) {
    plain.push(nanoseconds(run([...pin, ...command('plain')])));
    floor.push(nanoseconds(run([...pin, ...command('answer')])));
    const ran = await scratch.gated(['--policy', policy], command('opener'), pin);
    gated.push(nanoseconds(ran.stdout));
    const counters = lastCounters(scratch.state());
    p50.push(counters.fast_p50_ns! / 1000);
    p99.push(counters.fast_p99_ns! / 1000);
  }
  const verdicts = await timesToVerdict(scratch, policy, command('opener'), pin);
  const ratios = gated.map((ns, i) => ns / floor[i]!);
  const group = `open+close, ${where}`;
  const how = `${rounds} rounds of ${opens} in turn, median`;
  return [
    { group, name: 'no filter', value: median(plain) / 1000, unit: 'µs', how },
    { group, name: 'floor: answered at once', value: median(floor) / 1000, unit: 'µs', how },
    { group, name: 'under the gate', value: median(gated) / 1000, unit: 'µs', how },
    { group, name: 'gate ÷ floor', value: median(ratios), unit: '×', aim: { atMost: 1.5 }, how },
    { group, name: 'notification to verdict, p50', value: quantile(verdicts, 0.5), unit: 'µs' },
    { group, name: 'notification to verdict, p99', value: quantile(verdicts, 0.99), unit: 'µs' },
    { group, name: 'notification to answer, p50', value: median(p50), unit: 'µs', aim: { atMost: 5 }, how },
    { group, name: 'notification to answer, p99', value: median(p99), unit: 'µs', aim: { atMost: 20 }, how },
  ];
}

/** µs from each notification to its recorded verdict, before the open itself is performed and answered. */
async function timesToVerdict(
  scratch: Scratch,
  policy: string,
  command: readonly string[],
  pin: readonly string[],
): Promise<number[]> {
  const trace = join(scratch.root, 'verdicts.trace');
  await scratch.gated(['--policy', policy, '--trace', trace], command, pin);
  const times: number[] = [];
  for (const { event, answered } of openTrace(trace).events()) times.push((answered - event.received) / 1000);
  rmSync(trace);
  return times;
}

function run(command: readonly string[]): string {
  const ran = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command.join(' ')} failed: ${ran.stderr}`);
  return ran.stdout;
}

const nanoseconds = (json: string): number => (JSON.parse(json) as { ns: number }).ns;

/** The hook's counters as the trail's `end` record has them. */
export function lastCounters(state: string): Record<string, number> {
  const rows = run([join(ROOT, 'bin/portcullis'), 'audit', 'show', '--json', state])
    .trim()
    .split('\n');
  return (JSON.parse(rows.at(-1)!) as { counters: Record<string, number> }).counters;
}
