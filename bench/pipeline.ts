/** The parts of the pipeline in this process: the automaton, the layers without a model, the whole judgement. */
import { toBytes } from '../model/bytes.ts';
import type { Event } from '../model/event.ts';
import { compile } from '../model/policy/compile.ts';
import { parsePolicy } from '../model/policy/schema.ts';
import { courtOf } from '../monitor/court.ts';
import { hostEnvironment, withAliases } from '../monitor/environment.ts';
import { Judgement } from '../monitor/judgement.ts';
import { loadPolicy } from '../monitor/policies.ts';
import { type Figure, quantile } from './report.ts';
import type { Sizes } from './sizes.ts';

const SECOND = 1e9;

export function pipeline(sizes: Sizes): Figure[] {
  return [...automaton(sizes), ...layers(sizes), ...compilation(sizes)];
}

/** An event of the shape the hook delivers for review. */
function reviewed(n: number): Event {
  return {
    n,
    operation: 'create',
    also: ['write'],
    object: { kind: 'path', path: `/srv/project-${n % 97}/src/module-${n % 1009}.ts` },
    subject: {
      exe: `/usr/bin/tool-${n % 7}`,
      pid: 1000 + (n % 50),
      argv: ['tool', '--write', 'x'],
      cwd: '/srv',
    },
    received: n * SECOND,
    deadline: (n + 4) * SECOND,
  };
}

function automaton({ stretches, stretchSeconds }: Sizes): Figure[] {
  const policy = loadPolicy('workspace', hostEnvironment({ workspace: process.cwd() }));
  const corpus = Array.from({ length: 4096 }, (_, i) =>
    toBytes(`read\0/usr/bin/python3.11\0/usr/lib/python3/dist-packages/package/module_${i}`.padEnd(80, 'x')),
  );
  let sum = 0;
  const once = () => {
    for (const word of corpus) sum += policy.walker.walk(word);
  };
  const perSecond = rate(once, corpus.length, stretches, stretchSeconds);
  if (sum === 0) throw new Error('the automaton said nothing');
  return [
    {
      group: 'automaton in TypeScript',
      name: '80-byte words',
      value: perSecond / 1e6,
      unit: 'million/s',
      aim: { atLeast: 5 },
      how: `policy workspace, ${policy.walker.states} states, best of ${stretches} stretches`,
    },
  ];
}

/** How many of `count` things `once` does per second: the best of a few stretches. */
function rate(once: () => void, count: number, stretches: number, seconds: number): number {
  let best = 0;
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const started = process.hrtime.bigint();
    let rounds = 0;
    let elapsed = 0;
    while (elapsed < seconds) {
      once();
      rounds += 1;
      elapsed = Number(process.hrtime.bigint() - started) / 1e9;
    }
    best = Math.max(best, (rounds * count) / elapsed);
  }
  return best;
}

const ASKED = `version: 1
rules:
  - id: asked
    effect: review
    operations: [create, write]
`;

function layers({ judged: total }: Sizes): Figure[] {
  const environment = hostEnvironment({ workspace: '/srv' });
  const source = parsePolicy(ASKED, 'bench.yaml');
  const policy = compile(source, withAliases(source, environment));
  const court = courtOf(policy, { fastPath: 'native', observe: false, reviewer: 'bench' });
  const layered: number[] = [];
  const whole: number[] = [];
  for (let n = 1; n <= total; n += 1) {
    const event = reviewed(n);
    const at = event.received;
    const a = process.hrtime.bigint();
    const { schema, trust, rate, prefilter, constitution } = court.layers;
    const refused =
      schema(event) ?? trust(event) ?? rate(event, at) ?? prefilter(event) ?? constitution(event);
    const b = process.hrtime.bigint();
    const judgement = new Judgement(court, event);
    judgement.accept({ type: 'received', at: at + 1000 });
    judgement.accept({ type: 'reviewed', at: at + 2000, answer: { verdict: 'allow', reason: 'bench' } });
    judgement.accept({ type: 'recorded', at: at + 3000 });
    const c = process.hrtime.bigint();
    if (refused !== null || judgement.judged().verdict.verdict !== 'allow')
      throw new Error('the benchmark event was not allowed');
    if (n > total / 3) {
      layered.push(Number(b - a) / 1000);
      whole.push(Number(c - b) / 1000);
    }
  }
  const how = `${layered.length} events after warm-up, one by one`;
  const group = 'reviewed event';
  return [
    {
      group,
      name: 'five layers without a model, p50',
      value: quantile(layered, 0.5),
      unit: 'µs',
      aim: { atMost: 11 },
      how,
    },
    { group, name: 'five layers without a model, p99', value: quantile(layered, 0.99), unit: 'µs', how },
    {
      group,
      name: 'whole judgement (machine, layers, records), p50',
      value: quantile(whole, 0.5),
      unit: 'µs',
      how,
    },
    {
      group,
      name: 'whole judgement (machine, layers, records), p99',
      value: quantile(whole, 0.99),
      unit: 'µs',
      how,
    },
  ];
}

/** Rules of mixed kinds, and the default policy. */
function compilation({ rules: count }: Sizes): Figure[] {
  const environment = hostEnvironment({ workspace: '/srv' });
  const rules = Array.from({ length: count }, (_, i) => {
    const kinds = [
      `operations: [read, write]\n    paths: ["**/secret-${i}", "~/.tool-${i}/**"]`,
      `operations: [exec]\n    argv: "tool-${i} .*--force.*"`,
      `operations: [connect]\n    addresses: ["10.${i % 256}.0.0/16:*", "[fd00::${i.toString(16)}]:443"]`,
      `operations: [write, create, delete]\n    paths: ["/srv/area-${i}/**/*.key"]`,
    ];
    return `  - id: rule-${i}\n    effect: ${['deny', 'review', 'allow'][i % 3]}\n    ${kinds[i % kinds.length]}`;
  });
  const source = `version: 1\nrules:\n${rules.join('\n')}\n`;
  const seconds = (work: () => unknown) => {
    const started = process.hrtime.bigint();
    work();
    return Number(process.hrtime.bigint() - started) / 1e9;
  };
  const many = seconds(() => {
    const policy = parsePolicy(source, 'bench.yaml');
    compile(policy, withAliases(policy, environment));
  });
  const standard = seconds(() => loadPolicy('workspace', environment));
  return [
    { group: 'policy', name: `compile ${count} mixed rules`, value: many, unit: 's', aim: { atMost: 5 } },
    { group: 'policy', name: 'load the policy workspace', value: standard, unit: 's' },
  ];
}
