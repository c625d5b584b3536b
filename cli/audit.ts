/**
 * `portcullis audit verify DIR` and `portcullis audit show DIR`: is a trail what was written, and what does it
 * say. DIR is a run's state folder, or its trail folder. Reads only; a run under way may be looked at.
 *
 * Exit status: 0 good, 1 tampered with or torn, 2 not a trail.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { EventObject } from '../model/event.ts';
import type { AbridgedArguments } from '../monitor/audit/record.ts';
import { newScan, type Problem } from '../monitor/audit/scan.ts';
import { type EventRow, isEvent, type OtherRow, type Row, rowsOf } from '../monitor/audit/show.ts';
import { FolderStore, type TrailStore } from '../monitor/audit/store.ts';
import { type Verification, verifyTrail } from '../monitor/audit/verify.ts';
import { describeObject } from './describe.ts';
import { UsageError } from './errors.ts';
import { complain, painter, print, safe } from './output.ts';

export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('check and read the audit trail of a run');
  audit
    .command('verify')
    .description('check that a trail is complete and unchanged')
    .argument('<dir>', "a run's state folder, or its trail folder")
    .option('--json', 'print the findings as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  portcullis audit verify ~/.local/state/portcullis/20260101T120000000Z-0a1b2c
  portcullis audit verify --json DIR

Exit status: 0 the trail is what was written; 1 it was tampered with or ends within a record; 2 not a trail.
Records cut off the very end leave no mark inside the trail: compare the printed head with one noted earlier.`,
    )
    .action((dir: string, options: { json?: boolean }) => {
      const verification = verifyTrail(openStore(dir));
      if (options.json) print(JSON.stringify(verification));
      else reportVerification(verification);
      process.exitCode = verification.ok ? 0 : 1;
    });
  audit
    .command('show')
    .description('print what a trail says, one event a line')
    .argument('<dir>', "a run's state folder, or its trail folder")
    .option('--json', 'print every record as a JSON line')
    .option('--denied', 'only what was denied')
    .addHelpText(
      'after',
      `
Examples:
  portcullis audit show DIR
  portcullis audit show --denied DIR
  portcullis audit show --json DIR | jq 'select(.operation == "exec")'

Exit status: 0; 1 where the trail is damaged (what stands before the damage is printed); 2 not a trail.`,
    )
    .action((dir: string, options: { json?: boolean; denied?: boolean }) => {
      const scan = newScan();
      const human = humanRow();
      for (const row of rowsOf(openStore(dir), scan)) {
        if (options.denied && !(isEvent(row) && row.verdict === 'deny')) continue;
        print(options.json ? JSON.stringify(row) : human(row));
      }
      if (scan.problem === null) return;
      complain(`portcullis: ${place(scan.problem)}`);
      process.exitCode = 1;
    });
}

/** The trail in a folder. Throws UsageError where there is none. */
function openStore(dir: string): TrailStore {
  for (const folder of [join(dir, 'trail'), dir]) {
    if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
    const store = new FolderStore(folder);
    if (store.segments().length > 0) return store;
  }
  throw new UsageError(
    existsSync(dir)
      ? `${dir} holds no audit trail: no trail/000001.jsonl in it; name the state folder of a run`
      : `${dir}: no such folder; name the state folder of a run`,
  );
}

function place(problem: Problem): string {
  return `${safe(problem.file)}:${problem.line}: ${safe(problem.what)}`;
}

function reportVerification(found: Verification): void {
  const paint = painter(1);
  const { problem, head } = found;
  const size = `${found.records} ${found.records === 1 ? 'record' : 'records'}, ${found.runs} ${found.runs === 1 ? 'run' : 'runs'}, ${found.segments} ${found.segments === 1 ? 'segment' : 'segments'}`;
  if (problem !== null) {
    print(`${paint('red', problem.kind === 'torn' ? 'torn' : 'TAMPERED')} ${place(problem)}`);
    print(`Good up to record ${head.seq} (${size}); nothing after it can be trusted.`);
    if (problem.kind === 'torn')
      print('A crash leaves a trail so; the next run in this state folder cuts the torn record and says so.');
    return;
  }
  print(`${paint('green', 'intact')} ${size}`);
  print(`head ${head.seq} ${head.hash}`);
  if (!found.closed)
    print(
      `The last run has no end${found.pending > 0 ? ` and ${found.pending} events wait for a verdict` : ''}: it is still going on, its monitor died, or its end was cut off.`,
    );
  print(`Records removed after the last one shown here would leave no mark: note the head elsewhere.`);
}

/** Prints rows for people; needs to remember nothing but the painter. */
function humanRow(): (row: Row) => string {
  const paint = painter(1);
  return (row) => {
    const start = `${String(row.seq).padStart(6)}  ${row.time.slice(11, 23)}  `;
    return start + (isEvent(row) ? eventLine(row, paint) : paint('dim', otherLine(row)));
  };
}

function eventLine(row: EventRow, paint: ReturnType<typeof painter>): string {
  const verdict = row.verdict ?? 'waits';
  const colour = verdict === 'allow' ? 'green' : verdict === 'deny' ? 'red' : 'yellow';
  const by = row.rule === null ? row.layer : `${row.layer ?? 'review'}:${row.rule}`;
  const why = row.reason === null ? '' : ` ${safe(row.reason)}`;
  const late = row.latency_us === null ? '' : `  ${row.latency_us.toFixed(1)} µs`;
  const observed = row.enforced === false ? ' (observed, not enforced)' : '';
  const what = `${row.operation.padEnd(8)} ${describeObject(whole(row.object))}`;
  const who = `${safe(row.subject.exe)}[${row.subject.pid}]`;
  return `${paint(colour, verdict.padEnd(5))}  ${what}  by ${who}  ${paint('dim', `${safe(by ?? '')}${why}${observed}${late}`)}`;
}

/** The object with abridged argument lists spelled out as far as they are known. */
function whole(object: EventRow['object']): EventObject {
  if (object.kind !== 'program') return object;
  const { interpreter, ...program } = object;
  return { ...program, argv: argumentsOf(program.argv) };
}

function argumentsOf(argv: readonly string[] | AbridgedArguments): readonly string[] {
  return 'head' in argv
    ? [...argv.head, `… (${argv.count} arguments, ${argv.bytes} bytes, ${argv.digest.slice(0, 16)}…)`]
    : argv;
}

function otherLine(row: OtherRow): string {
  switch (row.kind) {
    case 'start':
      return `start    run ${safe(row.run)}: ${safe(argumentsOf(row.command).join(' '))}  (policy ${safe(row.policy.name)}, hook ${row.hook}, reviewer ${safe(row.reviewer)}${row.observe ? ', observe' : ''})`;
    case 'reads':
      return `reads    ${row.count} allowed by ${safe(row.rule ?? 'default')} to ${safe(row.exe)}[${row.pid}]`;
    case 'late':
      return `late     the allow of event ${row.n} came too late and released nothing`;
    case 'anomaly':
      return `anomaly  ${safe(row.what)}: ${safe(row.detail)}`;
    case 'recovered':
      return `recovered  ${row.from_journal} from the journal, ${row.denied_pending.length} waiting denied, ${row.cut_bytes} torn bytes cut`;
    case 'end':
      return `end      ${row.signal === null ? `status ${row.status}` : `signal ${safe(row.signal)}`}`;
  }
}
