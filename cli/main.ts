/**
 * The command line: which commands there are, and how every one of them ends. One file per command; this one
 * only wires them.
 *
 * Exit status: each command states its own; 2 for bad usage or bad input (125 for `run`, which then has
 * executed nothing). An error is one clear line on stderr; a stack trace only with --debug.
 */
import { Command, CommanderError } from 'commander';
import { registerApprove } from './approve.ts';
import { registerAudit } from './audit.ts';
import { registerDoctor } from './doctor.ts';
import { coloured, complain, safe, write } from './output.ts';
import { registerPolicy } from './policy.ts';
import { registerReplay } from './replay.ts';
import { NOTHING_EXECUTED, registerRun } from './run.ts';
import { registerVerify } from './verify.ts';
import { version } from './version.ts';

const BAD_USAGE = 2;

/** The whole program, ready to parse. */
export function program(): Command {
  const program = new Command('portcullis')
    .description(
      'A reference monitor for AI coding agents: every file, process and network operation of a command waits at the gate until policy, and where policy asks for it a reviewer, says yes.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [COMMAND]', 'print help for a command')
    .enablePositionalOptions()
    .showHelpAfterError('(--help tells more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => write(1, text),
      writeErr: (text) => write(2, text),
      outputError: (text, show) => show(text.replace(/^error: /, 'portcullis: ')),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => coloured(1),
      getErrHasColors: () => coloured(2),
    })
    .addHelpText(
      'after',
      `
Examples:
  portcullis run -- npm test                 run a command under the default policy
  portcullis run --trace t.jsonl -- make     and record everything it does
  portcullis policy explain --policy workspace write ~/.bashrc
  portcullis doctor                          what this host offers

Exit status: 2 for bad usage or input; each command's --help states its own.`,
    );
  for (const register of [
    registerRun,
    registerReplay,
    registerVerify,
    registerAudit,
    registerPolicy,
    registerApprove,
    registerDoctor,
  ])
    register(program);
  for (const command of leaves(program))
    command.option('--debug', 'show a stack trace when something goes wrong');
  return program;
}

/** Every command that does something itself. */
export function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

/** Runs the command line `argv` (as in process.argv) and sets the process's exit status. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync([...argv]);
  } catch (error) {
    const refused = argv[2] === 'run' ? NOTHING_EXECUTED : BAD_USAGE;
    if (error instanceof CommanderError) {
      // Commander has printed help or its complaint already.
      process.exitCode = error.exitCode === 0 ? 0 : refused;
      return;
    }
    report(error, debugging(argv));
    process.exitCode = refused;
  }
}

/** One clear line, or, for errors that carry several places (a policy with several mistakes), their own text. */
function report(error: unknown, debug: boolean): void {
  if (debug && error instanceof Error && error.stack !== undefined) {
    complain(error.stack);
    return;
  }
  const text =
    error instanceof Error && 'format' in error && typeof error.format === 'function'
      ? String(error.format())
      : error instanceof Error
        ? error.message
        : String(error);
  for (const line of text.split('\n')) complain(`portcullis: ${safe(line)}`);
}

/** Whether --debug stands among our own arguments (before `--`). */
function debugging(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(2, end === -1 ? undefined : end).includes('--debug');
}
