/**
 * `portcullis verify`: searches for counterexamples to the properties of this installation, on this host. Each
 * property is a sentence; a failure prints the smallest counterexample found and the line that replays exactly
 * that one.
 */
import type { Command } from 'commander';
import type { Outcome, Property } from '../properties/property.ts';
import { part, UsageError } from './errors.ts';
import { complain, counted, painter, print, safe } from './output.ts';

const DEFAULT_RUNS = 200;
const MAX_RUNS = 100_000_000;

interface Options {
  runs: string;
  seed?: string;
  only?: string;
  path?: string;
  json?: boolean;
  list?: boolean;
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check the properties; on failure print the smallest counterexample')
    .option('--runs <N>', 'random cases for each property', String(DEFAULT_RUNS))
    .option('--seed <S>', 'seed of the random cases (default: a new one, printed)')
    .option('--only <NAME>', 'check one property')
    .option('--path <PATH>', 'replay one counterexample: the path a failure printed, with its seed')
    .option('--list', 'list the properties and check nothing')
    .option('--json', 'one JSON line for each property')
    .addHelpText(
      'after',
      `
Examples:
  portcullis verify
  portcullis verify --list
  portcullis verify --only no-allow-at-or-after-the-deadline --runs 10000 --seed 7

Exit status: 0 every property held, 1 a counterexample was found, 2 bad usage.`,
    )
    .action(verify);
}

async function verify(options: Options): Promise<void> {
  // Loaded here: the generators behind the properties are the heaviest part of the program, and no other
  // command needs them.
  const { properties } = await part(() => import('../properties/index.ts'));
  const chosen = choose(properties, options.only);
  if (options.list) return list(chosen, options.json === true);
  const runs = whole(options.runs, '--runs', 1, MAX_RUNS);
  const seed =
    options.seed === undefined
      ? Math.floor(Math.random() * 0x7fffffff)
      : whole(options.seed, '--seed', -0x80000000, 0x7fffffff);
  if (options.path !== undefined && (options.only === undefined || options.seed === undefined))
    throw new UsageError('--path replays one counterexample: give --only NAME and --seed S with it');
  if (!options.json)
    complain(
      `${counted(chosen.length, 'property', 'properties')}, ${counted(runs, 'case')} each, seed ${seed}`,
    );
  let failed = 0;
  for (const property of chosen) {
    const start = process.hrtime.bigint();
    const outcome = await property.run({
      runs,
      seed,
      ...(options.path === undefined ? {} : { path: options.path }),
    });
    const ms = Math.round(Number(process.hrtime.bigint() - start) / 1e6);
    if (!outcome.ok) failed += 1;
    if (options.json) print(JSON.stringify(row(property, outcome, ms, runs)));
    else show(property, outcome, ms, runs);
  }
  if (!options.json)
    complain(
      failed === 0 ? 'every property held' : `${failed} of ${chosen.length} properties have counterexamples`,
    );
  process.exitCode = failed === 0 ? 0 : 1;
}

function choose(properties: readonly Property[], only: string | undefined): readonly Property[] {
  if (only === undefined) return properties;
  const found = properties.filter((property) => property.name === only);
  if (found.length === 0)
    throw new UsageError(`--only: there is no property '${safe(only)}'; portcullis verify --list names them`);
  return found;
}

function list(chosen: readonly Property[], json: boolean): void {
  for (const { name, promise, sentence } of chosen)
    print(
      json ? JSON.stringify({ name, promise, sentence }) : `${promise.padEnd(4)} ${name}\n       ${sentence}`,
    );
}

function show(property: Property, outcome: Outcome, ms: number, runs: number): void {
  const paint = painter(1);
  const mark = outcome.ok ? paint('green', '✓') : paint('red', '✗');
  print(
    `${mark} ${property.promise.padEnd(3)} ${property.sentence} ${paint('dim', `(${outcome.runs} runs, ${ms} ms)`)}`,
  );
  if (outcome.ok) return;
  if (outcome.violation !== undefined) print(`    violated: ${safe(outcome.violation)}`);
  if (outcome.counterexample !== undefined)
    for (const line of outcome.counterexample.split('\n')) print(`    ${safe(line)}`);
  print(`    replay: ${replayLine(property, outcome, runs)}`);
}

function row(property: Property, outcome: Outcome, ms: number, runs: number): Record<string, unknown> {
  const { name, promise, sentence } = property;
  return {
    name,
    promise,
    sentence,
    ...outcome,
    ms,
    ...(outcome.ok ? {} : { replay: replayLine(property, outcome, runs) }),
  };
}

/** The command that replays a failure. Without a path (a check that is not a search) it is the same run. */
function replayLine(property: Property, outcome: Outcome, runs: number): string {
  const at = outcome.path === undefined ? `--runs ${runs}` : `--path ${outcome.path}`;
  return `portcullis verify --only ${property.name} --seed ${outcome.seed} ${at}`;
}

/** A whole number within limits, or a UsageError that names the option. */
function whole(text: string, option: string, min: number, max: number): number {
  const value = /^-?\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`${option}: '${safe(text)}' is not a whole number from ${min} to ${max}`);
  return value;
}
