/**
 * `portcullis audit verify DIR` and `portcullis audit show DIR`: is a trail what was written, and what does it
 * say. DIR is a run's state folder, or its trail folder. Reads only; a run under way may be looked at.
 *
 * Exit status: 0 good, 1 tampered with or torn, 2 not a trail. A trail whose last run has no end is good so far and
 * said to be `unfinished` (or `going on`, while its monitor lives); `--closed` makes that 1 as well.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { EventObject } from '../model/event.ts';
import type { AbridgedArguments } from '../monitor/audit/record.ts';
import { newScan, type Problem } from '../monitor/audit/scan.ts';
import { type EventRow, isEvent, type OtherRow, type Row, rowsOf } from '../monitor/audit/show.ts';
import { FolderStore, type TrailStore } from '../monitor/audit/store.ts';
import { type Verification, verifyTrail } from '../monitor/audit/verify.ts';
import { contradiction } from '../monitor/audit/witness.ts';
import { liveOwner, type StatePaths, statePaths } from '../monitor/state.ts';
import { describeObject } from './describe.ts';
import { UsageError } from './errors.ts';
import { complain, counted, painter, print, safe } from './output.ts';

export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('check and read the audit trail of a run');
  audit
    .command('verify')
    .description('check that a trail is complete and unchanged')
    .argument('<dir>', "a run's state folder, or its trail folder")
    .option('--closed', 'accept only a trail whose last run has ended')
    .option('--json', 'print the findings as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  portcullis audit verify ~/.local/state/portcullis/20260101T120000000Z-0a1b2c
  portcullis audit verify --closed DIR        after a run: its end must be there too
  portcullis audit verify --json DIR

The first word says how it stands:
  intact      nothing was changed, and the last run ended or was recovered
  going on    nothing was changed so far; the monitor of the last run is alive
  unfinished  nothing was changed so far, but the last run has no end and no monitor: it died, or the end was cut off
  torn        the trail ends within a record
  TAMPERED    something was edited, removed, moved or added

Exit status: 0 intact, going on or unfinished; 1 torn or tampered with, and with --closed also going on or
unfinished; 2 not a trail.
Records cut off the very end leave no mark inside the trail: compare the printed head with one noted earlier.`,
    )
    .action((dir: string, options: { json?: boolean; closed?: boolean }) => {
      const paths = stateOf(dir);
      const store = openStore(dir, true);
      const found = verifyTrail(store, (scan) => contradiction(paths, scan));
      const standing = standingOf(found, paths);
      if (options.json) print(JSON.stringify({ ...found, standing }));
      else reportVerification(found, standing);
      process.exitCode = found.ok && (found.closed || options.closed !== true) ? 0 : 1;
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

type Standing = 'intact' | 'going on' | 'unfinished' | 'torn' | 'TAMPERED';

function standingOf({ problem, closed }: Verification, paths: StatePaths): Standing {
  if (problem !== null) return problem.kind === 'torn' ? 'torn' : 'TAMPERED';
  if (closed) return 'intact';
  return liveOwner(paths) === null ? 'unfinished' : 'going on';
}

/** The state folder that `dir` is, or whose trail folder it is. */
function stateOf(dir: string): StatePaths {
  const folder = resolve(dir);
  const within = basename(folder) === 'trail' && !existsSync(join(folder, 'trail'));
  return statePaths(within ? dirname(folder) : folder);
}

/** The trail in a folder; with `bare`, also a state folder whose trail is empty or gone. Throws UsageError where
 * there is none. */
function openStore(dir: string, bare = false): TrailStore {
  for (const folder of [join(dir, 'trail'), dir]) {
    if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
    const store = new FolderStore(folder);
    if (store.segments().length > 0) return store;
  }
  if (bare && existsSync(stateOf(dir).run)) return gone(stateOf(dir));
  throw new UsageError(
    existsSync(dir)
      ? `${dir} holds no audit trail: no trail/000001.jsonl in it; name the state folder of a run`
      : `${dir}: no such folder; name the state folder of a run`,
  );
}

/** The trail of a state folder that has no segment. */
function gone({ trail }: StatePaths): TrailStore {
  const folder = new FolderStore(trail);
  return existsSync(trail) ? folder : Object.assign(folder, { segments: () => [] });
}

function place(problem: Problem): string {
  return `${safe(problem.file)}:${problem.line}: ${safe(problem.what)}`;
}

function reportVerification(found: Verification, standing: Standing): void {
  const paint = painter(1);
  const { problem, head } = found;
  const size = `${counted(found.records, 'record')}, ${counted(found.runs, 'run')}, ${counted(found.segments, 'segment')}`;
  if (problem !== null) {
    print(`${paint('red', standing)} ${place(problem)}`);
    print(`Good up to record ${head.seq} (${size}); nothing after it can be trusted.`);
    if (problem.kind === 'torn')
      print('A crash leaves a trail so; the next run in this state folder cuts the torn record and says so.');
    return;
  }
  print(`${paint(standing === 'unfinished' ? 'yellow' : 'green', standing)} ${size}`);
  print(`head ${head.seq} ${head.hash}`);
  const waiting =
    found.pending > 0 ? ` ${counted(found.pending, 'event waits', 'events wait')} for a verdict.` : '';
  if (standing === 'going on') print(`The last run is still going on.${waiting}`);
  if (standing === 'unfinished')
    print(
      `The last run has no end, and no monitor is alive: it died, or the end of the trail was cut off.${waiting}`,
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
