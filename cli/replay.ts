/**
 * `portcullis replay TRACE`: judges every event of a recorded trace again under virtual time, prints the verdict
 * of each and every difference from what was recorded.
 *
 * Exit status: 0 identical, 1 different, 2 bad input.
 */
import type { Command } from 'commander';
import type { CompiledPolicy } from '../model/policy/compile.ts';
import type { Verdict } from '../model/verdict.ts';
import { loadPolicy } from '../monitor/policies.ts';
import type { Reviewer } from '../monitor/reviewers/contract.ts';
import { execReviewer } from '../monitor/reviewers/exec.ts';
import { noReviewer } from '../monitor/reviewers/none.ts';
import type { Replayed } from '../replay/rejudge.ts';
import { replay } from '../replay/replay.ts';
import type { TraceHeader } from '../traces/format.ts';
import { openTrace } from '../traces/reader.ts';
import { describeObject } from './describe.ts';
import { UsageError } from './errors.ts';
import { counted, painter, print, safe } from './output.ts';

interface Options {
  readonly policy?: string;
  readonly reviewer: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function registerReplay(program: Command): void {
  program
    .command('replay')
    .description('judge a recorded trace again and show what differs')
    .argument('<trace>', 'a file written by run --trace')
    .option('--policy <file|name>', 'judge under this policy instead of the recorded one')
    .option('--reviewer <who>', 'who decides reviews: recorded, none, or exec:COMMAND', 'recorded')
    .option('--quiet', 'print differences only')
    .option('--json', 'one JSON object a line: each event, then the summary')
    .addHelpText(
      'after',
      `
Examples:
  portcullis replay session.jsonl
  portcullis replay --policy stricter.yaml session.jsonl   what would this policy have changed?
  portcullis replay --reviewer 'exec:python3 reviewer.py' session.jsonl

Under the recorded policy and answers every part of every verdict must come out the same; otherwise only
allow or deny counts. Exit status: 0 identical; 1 different; 2 the trace or policy is not good.`,
    )
    .action(async (file: string, options: Options) => {
      const trace = openTrace(file);
      const policy = options.policy === undefined ? null : otherPolicy(options.policy, trace.header);
      const reviewer = reviewerOf(options.reviewer);
      if (reviewer !== 'recorded') await reviewer.start();
      try {
        const result = await replay({
          trace,
          reviewer,
          ...(policy === null ? {} : { policy }),
          onVerdict: options.json ? jsonLine(options.quiet) : humanLine(options.quiet),
        });
        const { events, different, exact } = result;
        if (options.json) print(JSON.stringify({ events, different, exact }));
        else print(summary(events, different, exact));
        process.exitCode = different === 0 ? 0 : 1;
      } finally {
        if (reviewer !== 'recorded') await reviewer.stop();
      }
    });
}

/** Another policy, read for the home and workspace of the recorded run. */
function otherPolicy(name: string, header: TraceHeader): CompiledPolicy {
  return loadPolicy(name, header.policy.environment);
}

function reviewerOf(who: string): 'recorded' | Reviewer {
  if (who === 'recorded') return who;
  if (who === 'none') return noReviewer;
  if (who.startsWith('exec:')) return execReviewer(who.slice('exec:'.length));
  throw new UsageError(`--reviewer ${who}: replay knows recorded, none and exec:COMMAND`);
}

type OnVerdict = (replayed: Replayed, different: boolean) => void;

function jsonLine(quiet = false): OnVerdict {
  return ({ recorded, verdict }, different) => {
    if (quiet && !different) return;
    const { event } = recorded;
    const { n, operation, object } = event;
    const subject = { exe: event.subject.exe, pid: event.subject.pid };
    print(
      JSON.stringify({ n, operation, object, subject, ...verdict, different, recorded: recorded.verdict }),
    );
  };
}

function humanLine(quiet = false): OnVerdict {
  const paint = painter(1);
  const said = ({ verdict, layer, rule, reason }: Verdict): string =>
    `${paint(verdict === 'allow' ? 'green' : 'red', verdict.padEnd(5))} ${paint('dim', safe(`${layer}${rule === null ? '' : `:${rule}`} ${reason}`))}`;
  return ({ recorded, verdict }, different) => {
    if (quiet && !different) return;
    const { event } = recorded;
    const what = `${String(event.n).padStart(6)}  ${event.operation.padEnd(8)} ${describeObject(event.object)}`;
    print(`${what}  ${said(verdict)}`);
    if (different) print(`${paint('yellow', '        was')}      ${said(recorded.verdict)}`);
  };
}

function summary(events: number, different: number, exact: boolean): string {
  const paint = painter(1);
  const size = counted(events, 'event');
  if (different === 0)
    return `${paint('green', 'identical')} ${size}${exact ? '' : ' (allow and deny alone compared)'}`;
  return `${paint('red', 'DIFFERENT')} ${different} of ${size}`;
}
