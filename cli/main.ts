/**
 * The command line: which commands there are, and how every one of them ends. One file per command; this one
 * only wires them.
 *
 * Exit status: each command states its own; 2 for bad usage or bad input (125 for `run`, which then has
 * executed nothing). An error is one clear line on stderr; a stack trace only with --debug.
 */
import { Command, CommanderError } from 'commander';
import { inWords } from '../model/errno.ts';
import { registerApprove } from './approve.ts';
import { registerAudit } from './audit.ts';
import { registerDoctor } from './doctor.ts';
import { UsageError } from './errors.ts';
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
    .helpCommand(false)
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
  program
    .command('help')
    .description('print help for a command')
    .argument('[COMMAND...]')
    .addHelpText(
      'after',
      '\nExamples:\n  portcullis help policy explain\n\nExit status: 0, or 2: no such command.',
    )
    .action((names: string[]) => describeCommand(program, names));
  program.hook('preAction', (_program, command) => refuseEmpty(command));
  for (const command of leaves(program))
    command.option('--debug', 'show a stack trace when something goes wrong');
  return program;
}

function describeCommand(program: Command, names: readonly string[]): void {
  let found = program;
  for (const name of names) {
    const next = found.commands.find((command) => command.name() === name);
    if (next === undefined)
      throw new UsageError(`unknown command '${names.join(' ')}'; portcullis --help lists the commands`);
    found = next;
  }
  found.outputHelp();
}

/** Values that may be empty; everywhere else an empty value (an unset variable in a script, mostly) would be read as
 * the current folder. */
const MAY_BE_EMPTY = ['reason', 'argv0'];

function refuseEmpty(command: Command): void {
  for (const option of command.options)
    if (
      command.getOptionValue(option.attributeName()) === '' &&
      !MAY_BE_EMPTY.includes(option.attributeName())
    )
      throw new UsageError(`${option.long}: the value is empty`);
  // What `run` executes is not ours to judge by its name.
  if (command.name() === 'run') return;
  for (const [i, argument] of command.registeredArguments.entries())
    if (command.args[i] === '') throw new UsageError(`the argument ${argument.name()} is empty`);
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
  const text = isSystemError(error)
    ? systemText(error)
    : error instanceof Error && 'format' in error && typeof error.format === 'function'
      ? String(error.format())
      : error instanceof Error
        ? error.message
        : String(error);
  for (const line of text.split('\n')) complain(`portcullis: ${safe(line)}`);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function systemText(error: NodeJS.ErrnoException): string {
  if (error.syscall === 'uv_cwd')
    return 'the current folder does not exist any more, or you may not read it; change to another';
  return error.path === undefined ? inWords(error) : `${error.path}: ${inWords(error)}`;
}

/** Whether --debug stands among our own arguments (before `--`). */
function debugging(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(2, end === -1 ? undefined : end).includes('--debug');
}
