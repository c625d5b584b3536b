/**
 * `portcullis run`: one command under the gate.
 *
 * Order: policy → state folder → trail (recovered if its last monitor died) → trace → reviewer → hook → command.
 * Whatever fails before the command starts means that nothing is executed: exit 125 and one line that says why.
 * After that the exit status is the command's own: 128+n when signal n ended it, 127 when it is not there, 126
 * when it cannot run (or may not, by the policy).
 *
 * stdin, stdout and stderr are the command's. Portcullis only writes whole lines to descriptor 2 (output.ts) and
 * never opens node's streams.
 */

import { realpathSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { FAST_PATHS, type FastPath } from '../model/configuration.ts';
import { inWords } from '../model/errno.ts';
import { sayDenials } from './denials.ts';
import { parseDuration } from './duration.ts';
import { part, UsageError } from './errors.ts';
import { complain, safe } from './output.ts';
import type { Ended, Settings } from './session.ts';
import { passSignalsOn } from './signals.ts';

/** Exit status where enforcement could not start. */
export const NOTHING_EXECUTED = 125;

interface Options {
  policy: string;
  workspace?: string;
  hook: string;
  reviewer: string;
  deadline: string;
  observe?: boolean;
  state?: string;
  trace?: string;
  quiet?: boolean;
  fastPath: string;
}

export function registerRun(program: Command): void {
  program
    .command('run')
    .description('run a command under the gate')
    .usage('[options] -- COMMAND [ARGUMENT…]')
    .argument('<command...>', 'the command and its arguments')
    .option('--policy <FILE|NAME>', 'policy file, or built-in: workspace, read-only, observe', 'workspace')
    .option('--workspace <DIR>', `what \${workspace} means in the policy (default: the current folder)`)
    .option('--hook <NAME>', 'auto or seccomp', 'auto')
    .option(
      '--reviewer <WHO>',
      'who decides reviews: none (deny), human (portcullis approve), exec:COMMAND',
      'none',
    )
    .option('--deadline <TIME>', 'time for one review; after it the operation is denied', '4s')
    .option('--observe', 'record and never deny')
    .option('--state <DIR>', 'state folder (default: a new one below $XDG_STATE_HOME/portcullis)')
    .option('--trace <FILE>', 'record every event for replay')
    .option('--quiet', 'no line for each denial')
    .option('--fast-path <PLACE>', 'native, monitor, reviewer or off; for experiments', 'native')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  portcullis run -- npm test
  portcullis run --policy my.yaml --reviewer human -- agent "fix the build"
  portcullis run --reviewer 'exec:python3 reviewer.py' --deadline 2s -- make
  portcullis run --observe --trace session.trace -- ./install.sh

Exit status: the command's own; 128+n when signal n ended it; 127 command not found; 126 command cannot be
run; 125 enforcement could not start, and nothing was executed.`,
    )
    .action(run);
}

async function run(command: string[], options: Options): Promise<void> {
  const settings = settingsOf(command, options);
  // Loaded here: policy compiler, monitor and hook are of no use to the other commands.
  const { runSession } = await part(() => import('./session.ts'));
  let stopPassing = () => {};
  const ended = await runSession(settings, (deliver) => {
    stopPassing = passSignalsOn(deliver);
  });
  stopPassing();
  for (const line of ended.remarks) complain(`portcullis: ${safe(line)}`);
  // Handles of a reviewer's child or of native threads must not keep us alive: everything is written.
  process.exit(statusOf(ended, settings.command[0]!));
}

/** The exit status that stands for how the command ended; says why where it never ran. */
function statusOf(ended: Ended, program: string): number {
  if (ended.failed !== null) {
    const { ENOENT, ENOTDIR } = constants.errno;
    const missing = ended.failed === ENOENT || ended.failed === ENOTDIR;
    complain(
      `portcullis: ${safe(program)}: ${missing ? 'command not found' : `cannot be run (${errnoName(ended.failed)})`}`,
    );
    return missing ? 127 : 126;
  }
  if (ended.signal !== null) return 128 + ended.signal;
  return ended.status ?? NOTHING_EXECUTED;
}

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `error ${errno}`;
}

/** Checks the options. Throws UsageError that names the option. */
function settingsOf(command: string[], options: Options): Settings {
  if (options.hook !== 'auto' && options.hook !== 'seccomp')
    throw new UsageError(`--hook: '${options.hook}' is no hook; choose auto or seccomp`);
  if (!(FAST_PATHS as readonly string[]).includes(options.fastPath))
    throw new UsageError(`--fast-path: '${options.fastPath}' is no place; choose ${FAST_PATHS.join(', ')}`);
  const workspace = folder(options.workspace ?? process.cwd(), '--workspace');
  return {
    command,
    policy: options.policy,
    workspace,
    reviewer: options.reviewer,
    deadline: parseDuration(options.deadline, '--deadline'),
    observe: options.observe === true,
    state: options.state === undefined ? undefined : resolve(options.state),
    trace: options.trace === undefined ? undefined : resolve(options.trace),
    fastPath: options.fastPath as FastPath,
    ...(options.quiet
      ? {}
      : {
          onJudged: sayDenials({
            policy: options.policy,
            workspace: options.workspace === undefined ? undefined : workspace,
            state: options.state,
            trace: options.trace,
          }),
        }),
  };
}

/** A folder's real path. */
function folder(path: string, option: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw new UsageError(`${option}: ${path}: ${inWords(error)}; name a folder that exists`);
  }
  throw new UsageError(`${option}: ${path} is not a folder`);
}
