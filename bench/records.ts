/**
 * The trail and replay, on real records: a run of many opens recorded as a trace and replayed, the same with a
 * reviewer that allows, and records appended and verified.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Payload } from '../monitor/audit/record.ts';
import { FolderStore } from '../monitor/audit/store.ts';
import { FileTrail } from '../monitor/audit/trail.ts';
import { verifyTrail } from '../monitor/audit/verify.ts';
import { hostClock } from '../monitor/clock.ts';
import { replay } from '../replay/replay.ts';
import { openTrace } from '../traces/reader.ts';
import { lastCounters } from './gate.ts';
import { type Figure, median } from './report.ts';
import { ROOT, Scratch } from './scratch.ts';
import type { Sizes } from './sizes.ts';

const POLICY = `version: 1
rates:
  - operations: [read]
    burst: 1000000
    per_second: 1000000
rules:
  - id: keys
    effect: deny
    operations: [read]
    paths: ["~/.ssh/**", "**/.env"]
  - id: asked
    effect: review
    operations: [read]
    paths: ["**/asked"]
  - id: rest
    effect: allow
    operations: [read, write, create, exec]
`;

/** Answers every review with allow. */
const REVIEWER = `import json, sys
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "verdict": "allow", "reason": "bench"}), flush=True)
`;

const START: Payload = {
  kind: 'start',
  run: 'bench',
  version: '0',
  boot: 'bench',
  command: ['bench'],
  policy: { name: 'bench', digest: '0'.repeat(64) },
  hook: 'bench',
  reviewer: 'none',
  observe: false,
  fast_path: 'native',
  durability: 'batched',
  record: 'changes',
};

export async function records(sizes: Sizes): Promise<Figure[]> {
  const scratch = new Scratch();
  try {
    writeFileSync(join(scratch.root, 'policy.yaml'), POLICY);
    writeFileSync(join(scratch.root, 'reviewer.py'), REVIEWER);
    for (const name of ['plain', 'asked']) writeFileSync(join(scratch.workspace, name), 'x');
    return [
      ...(await replays(scratch, sizes)),
      ...(await trail(scratch, sizes)),
      ...(await memory(scratch, sizes)),
    ];
  } finally {
    scratch.dispose();
  }
}

async function replays(scratch: Scratch, { fast, reviewed }: Sizes): Promise<Figure[]> {
  const figures: Figure[] = [];
  const cases = [
    { name: 'fast-path events', file: 'plain', count: fast, aim: 200_000, options: [] },
    {
      name: 'reviewed events',
      file: 'asked',
      count: reviewed,
      aim: 20_000,
      options: ['--reviewer', `exec:python3 -u ${join(scratch.root, 'reviewer.py')}`],
    },
  ];
  for (const { name, file, count, aim, options } of cases) {
    const trace = join(scratch.root, `${file}.trace`);
    await scratch.gated(
      ['--policy', join(scratch.root, 'policy.yaml'), '--trace', trace, ...options],
      [join(ROOT, 'build/floor'), 'opener', String(count), join(scratch.workspace, file)],
    );
    const rates: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const started = process.hrtime.bigint();
      const { events, different } = await replay({ trace: openTrace(trace) });
      if (different !== 0 || events < count)
        throw new Error(`replay of ${name}: ${different} of ${events} differ`);
      rates.push(events / (Number(process.hrtime.bigint() - started) / 1e9));
    }
    figures.push({
      group: 'replay',
      name,
      value: median(rates),
      unit: '/s',
      aim: { atLeast: aim },
      how: `a trace of ${count} real opens, reading it included, median of 3`,
    });
  }
  return figures;
}

async function trail(scratch: Scratch, { records: count }: Sizes): Promise<Figure[]> {
  const folder = join(scratch.root, 'trail');
  mkdirSync(folder);
  const store = new FolderStore(folder);
  const trail = new FileTrail({ store, clock: hostClock });
  const started = process.hrtime.bigint();
  trail.append(START);
  for (let n = 1; n < count; n += 1)
    trail.append({ kind: 'reads', exe: '/usr/bin/python3.11', pid: n, rule: 'system', count: n });
  await trail.close();
  const appended = process.hrtime.bigint();
  const { ok, records, problem } = verifyTrail(new FolderStore(folder));
  const verified = process.hrtime.bigint();
  if (!ok || records !== count)
    throw new Error(`the trail did not verify: ${records} records, ${JSON.stringify(problem)}`);
  const perSecond = (a: bigint, b: bigint) => count / (Number(b - a) / 1e9);
  return [
    { group: 'trail', name: 'append', value: perSecond(started, appended), unit: 'records/s' },
    { group: 'trail', name: 'verify', value: perSecond(appended, verified), unit: 'records/s' },
  ];
}

/** Resident memory of the monitor over many events. */
async function memory(scratch: Scratch, { many }: Sizes): Promise<Figure[]> {
  const ran = await scratch.gated(
    ['--policy', join(scratch.root, 'policy.yaml')],
    [join(ROOT, 'build/floor'), 'opener', String(many), join(scratch.workspace, 'plain')],
  );
  const counted = lastCounters(scratch.state()).counted!;
  if (counted < many) throw new Error(`only ${counted} of ${many} opens were counted`);
  const early = ran.resident[Math.floor(ran.resident.length * 0.2)]!;
  const late = ran.resident[Math.floor(ran.resident.length * 0.95)]!;
  const how = `${many} opens in one run; resident memory at 20 % and 95 % of it`;
  return [
    {
      group: 'memory',
      name: 'after ÷ before a million events',
      value: late / early,
      unit: '×',
      aim: { atMost: 1.2 },
      how,
    },
    { group: 'memory', name: 'peak over a million events', value: ran.peak, unit: 'MiB', how },
  ];
}

/** The tools that the benchmarks need beside the built project. */
export function missingTools(): string[] {
  return ['make', 'cc', 'taskset', 'python3'].filter(
    (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
  );
}
