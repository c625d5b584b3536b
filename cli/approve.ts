/**
 * `portcullis approve`: lists the reviews that wait in runs with `--reviewer human`, and answers them. Runs are
 * found by their state folders, so it works from any terminal of the same user.
 *
 * Exit: 0 when it did what was asked (also where nothing waits), 1 when the review to answer does not wait,
 * 2 for bad usage, and where the run that --run or --state names is none.
 */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import type { WaitingReview } from '../monitor/reviewers/control.ts';
import { statePaths, stateRoot } from '../monitor/state.ts';
import { exchange, isList, type ReachableRun, runIn, runsBelow } from './control-client.ts';
import { describeObject } from './describe.ts';
import { UsageError } from './errors.ts';
import { complain, painter, print, safe } from './output.ts';

/** How often --watch looks again, ms. */
const LOOK_AGAIN = 300;

interface Options {
  run?: string;
  state?: string;
  allow?: string;
  deny?: string;
  reason?: string;
  watch?: boolean;
  json?: boolean;
}

/** A waiting review and the run in which it waits. */
interface Found extends WaitingReview {
  readonly run: ReachableRun;
}

export function registerApprove(program: Command): void {
  program
    .command('approve')
    .description('list and answer the reviews that wait for a person')
    .option('--run <ID>', 'only the run with this id (the name of its state folder)')
    .option('--state <DIR>', 'only the run with this state folder')
    .option('--allow <N>', 'allow review N')
    .option('--deny <N>', 'deny review N')
    .option('--reason <TEXT>', 'why, for the trail')
    .option('--watch', 'wait for further reviews until interrupted')
    .option('--json', 'one JSON line for each waiting review, or for the answer')
    .addHelpText(
      'after',
      `
On a terminal it asks about each waiting review in turn; otherwise it lists them.

Examples:
  portcullis run --reviewer human --deadline 60s -- make     in one terminal
  portcullis approve --watch                                 in another
  portcullis approve --allow 12 --reason 'I asked for it'

Exit status: 0 done (or nothing waits), 1 the review does not wait, 2 bad usage or no such run.`,
    )
    .action(approve);
}

async function approve(options: Options): Promise<void> {
  checkRun(options);
  const { allow, deny, watch, json } = options;
  if (allow !== undefined && deny !== undefined) throw new UsageError('give --allow or --deny, not both');
  const number = allow ?? deny;
  if (number !== undefined) {
    if (watch) throw new UsageError('--watch does not go with --allow or --deny');
    process.exitCode = await answerOne(options, numberOf(number), allow === undefined ? 'deny' : 'allow');
    return;
  }
  const asks = !json && isatty(0) && isatty(1);
  if (options.reason !== undefined && !asks) throw new UsageError('--reason goes with --allow or --deny');
  await (asks ? ask(options) : list(options));
}

function numberOf(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw new UsageError(`${JSON.stringify(text)} is not the number of a review`);
  return number;
}

async function answerOne(options: Options, id: number, verdict: 'allow' | 'deny'): Promise<0 | 1> {
  const matching = (await waiting(options)).filter((review) => review.id === id);
  if (matching.length > 1)
    throw new UsageError(
      `review ${id} waits in ${matching.map(({ run }) => run.run).join(' and ')}; choose with --run`,
    );
  const [review] = matching;
  const wrong =
    review === undefined
      ? `review ${id} does not wait (answered, or its deadline passed)`
      : await give(review, verdict, options.reason ?? '');
  if (options.json) print(JSON.stringify({ id, verdict, done: wrong === null, error: wrong ?? undefined }));
  else if (wrong === null) print(`${verdict === 'allow' ? 'allowed' : 'denied'}: ${inOneLine(review!)}`);
  else complain(`portcullis: ${safe(wrong)}`);
  return wrong === null ? 0 : 1;
}

/** Null when the answer was taken, else why not. */
async function give(review: Found, verdict: 'allow' | 'deny', reason: string): Promise<string | null> {
  const reply = await exchange(review.run.socket, { op: 'answer', id: review.id, verdict, reason });
  if (reply !== null && 'done' in reply) return null;
  return reply !== null && 'error' in reply ? reply.error : 'the run does not reply';
}

async function list(options: Options): Promise<void> {
  const shown = new Set<string>();
  do {
    for (const review of await waiting(options)) {
      const key = `${review.run.socket} ${review.id}`;
      if (shown.has(key)) continue;
      shown.add(key);
      if (options.json) print(JSON.stringify(asJson(review)));
      else for (const line of inFull(review)) print(line);
    }
    if (options.watch) await pause();
  } while (options.watch);
  if (shown.size === 0 && !options.json) print(nothing(options));
}

/** Why nothing is shown. */
function nothing(options: Options): string {
  const chosen = options.run !== undefined || options.state !== undefined;
  return chosen && chosenRuns(options).length === 0
    ? 'nothing waits for a review: this run has ended, or has no --reviewer human'
    : 'nothing waits for a review (runs with --reviewer human are listed here)';
}

/** Asks the person at the terminal about each review. */
async function ask(options: Options): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const closed = new AbortController();
  terminal.once('close', () => closed.abort());
  const asked = new Set<string>();
  if (options.watch) print('waiting for reviews; Ctrl-C ends this');
  try {
    for (;;) {
      const next = (await waiting(options)).find(({ run, id }) => !asked.has(`${run.socket} ${id}`));
      if (next !== undefined) {
        asked.add(`${next.run.socket} ${next.id}`);
        if ((await askAbout(next, terminal, closed.signal, options.reason ?? '')) === 'quit') return;
      } else if (options.watch && !closed.signal.aborted) {
        await pause();
      } else {
        if (asked.size === 0) print(nothing(options));
        return;
      }
    }
  } finally {
    terminal.close();
  }
}

async function askAbout(
  review: Found,
  terminal: Interface,
  signal: AbortSignal,
  reason: string,
): Promise<'next' | 'quit'> {
  for (const line of inFull(review)) print(line);
  for (;;) {
    let said: string;
    try {
      said = (await terminal.question('  allow, deny, skip or quit? [a/d/s/q] ', { signal }))
        .trim()
        .toLowerCase();
    } catch {
      return 'quit'; // the terminal was closed
    }
    if (said === 'q' || said === 'quit') return 'quit';
    if (said === 's' || said === 'skip') return 'next';
    const verdict =
      said === 'a' || said === 'allow' ? 'allow' : said === 'd' || said === 'deny' ? 'deny' : null;
    if (verdict === null) continue;
    const wrong = await give(review, verdict, reason);
    print(wrong === null ? `  ${verdict === 'allow' ? 'allowed' : 'denied'}` : `  too late: ${safe(wrong)}`);
    return 'next';
  }
}

/** Everything that waits in the chosen runs, oldest run first. Runs that do not reply have ended. */
async function waiting(options: Options): Promise<Found[]> {
  const lists = await Promise.all(
    chosenRuns(options).map(async (run) => {
      const reply = await exchange(run.socket, { op: 'list' });
      return isList(reply) ? reply.waiting.map((review) => ({ ...review, run })) : [];
    }),
  );
  return lists.flat();
}

/** Throws UsageError where the chosen run is none: that is something else than a run in which nothing waits. */
function checkRun({ run, state }: Options): void {
  const root = stateRoot();
  if (run !== undefined && (/^\.*$|\//.test(run) || !isFolder(join(root, run))))
    throw new UsageError(
      `--run: there is no run '${run}' in ${root}; for one with --state DIR, give --state DIR`,
    );
  if (state === undefined) return;
  if (!isFolder(state)) throw new UsageError(`--state: ${state}: there is no such folder`);
  const { run: facts, trail, control } = statePaths(state);
  if (![facts, trail, control].some((path) => existsSync(path)))
    throw new UsageError(`--state: ${state} is not the state folder of a run`);
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function chosenRuns({ run, state }: Options): ReachableRun[] {
  if (state !== undefined) {
    const found = runIn(resolve(state));
    return found === null ? [] : [found];
  }
  return runsBelow(stateRoot()).filter((each) => run === undefined || each.run === run);
}

function asJson({ run, id, event, rule, reason, left_ms }: Found) {
  const { operation, object, subject } = event;
  return { run: run.run, id, operation, object, subject, rule, reason, left_ms };
}

function inOneLine({ id, event }: Found): string {
  return `${id}  ${event.operation} ${describeObject(event.object)}`;
}

function inFull(review: Found): string[] {
  const { event, rule, reason, left_ms, run } = review;
  const { exe, pid, argv, cwd } = event.subject;
  const paint = painter(1);
  const arguments_ = argv === undefined ? '' : ` (${describeObject({ kind: 'program', path: exe, argv })})`;
  return [
    `${paint('bold', inOneLine(review))}  ${paint('yellow', `${(left_ms / 1000).toFixed(1)} s left`)}`,
    `  by ${safe(exe)}, process ${pid}${arguments_}${cwd === undefined ? '' : ` in ${safe(cwd)}`}`,
    `  why: ${safe(reason)}${rule === null ? '' : ` (rule ${safe(rule)})`}; run ${safe(run.run)}`,
  ];
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, LOOK_AGAIN));
}
