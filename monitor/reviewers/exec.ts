/**
 * The exec reviewer: a command of the user's, run by /bin/sh once for the whole run, that answers reviews over
 * its standard input and output (wire.ts says how).
 *
 * The child gets the monitor's environment and working directory and three pipes, nothing else; it sits in a
 * session of its own, so a terminal's signals and the agent's process group do not reach it. What it writes to
 * stderr is read and dropped but for its end, which is quoted when it dies. When it ends, breaks the protocol or
 * `stop` is called, its whole process group is killed and every review is denied.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Clock } from '../clock.ts';
import type { ReviewAnswer, Reviewer, ReviewRequest } from './contract.ts';
import { Wire } from './wire.ts';

/** A command that ends this soon after its start has not started, ms. */
const SETTLING = 100;
/** Reviews written and not yet read by the child, bytes; further ones are denied. */
const MAX_UNREAD = 8 << 20;
/** How much of the end of the child's stderr is kept, characters. */
const MAX_STDERR = 400;
/** How long a child may take to end by itself once its input is closed, ms. */
const GRACE = 500;

export interface ExecOptions {
  /** Tells a review's time left; null where time is virtual: each event then has from its arrival to its
   * deadline. */
  readonly clock: Clock | null;
  /** Told of late answers. */
  readonly onAnomaly?: (what: string, detail: string) => void;
}

/** The exec reviewer for replay, where time is virtual. */
export function execReviewer(command: string): ExecReviewer {
  return new ExecReviewer(command, { clock: null });
}

export class ExecReviewer implements Reviewer {
  readonly name: string;
  readonly #command: string;
  readonly #wire: Wire;
  // Owner of all three: this object.
  #child: ChildProcessWithoutNullStreams | null = null;
  #stderr = '';
  /** How the child broke the protocol; null while it has not. */
  #violation: string | null = null;

  /** `command` is a line for /bin/sh. */
  constructor(command: string, { clock, ...options }: ExecOptions) {
    this.name = `exec:${command}`;
    this.#command = command;
    this.#wire = new Wire({
      ...options,
      left: ({ received, deadline }) => deadline - (clock?.now() ?? received),
      send: (line) => this.#send(line),
      onViolation: (error) => {
        this.#violation = error.message;
        this.#kill();
      },
    });
  }

  /** Resolves once the command runs. Rejects where it cannot be run or ends at once. */
  start(): Promise<void> {
    if (this.#command.trim() === '') return Promise.reject(new Error('the reviewer exec: has no command'));
    const child = spawn('/bin/sh', ['-c', this.#command], { stdio: 'pipe', detached: true });
    this.#child = child;
    child.stdin.on('error', () => this.#lost('input'));
    child.stdout.on('error', () => this.#lost('output'));
    child.stdout.on('end', () => this.#lost('output'));
    child.stdout.on('data', (piece: Buffer) => this.#wire.receive(piece));
    child.stderr.on('error', () => {});
    child.stderr.on('data', (piece: Buffer) => {
      this.#stderr = (this.#stderr + piece.toString('utf8')).slice(-MAX_STDERR);
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, SETTLING);
      const ended = (how: string): void => {
        clearTimeout(timer);
        this.#wire.close(`the reviewer ${how}${this.#lastWords}`);
        // Whatever it left behind in its group.
        this.#kill();
        reject(
          new Error(
            this.#violation === null
              ? `the reviewer ${this.name} ${how} at once${this.#lastWords}`
              : `the reviewer ${this.name} was stopped: it wrote before it was asked anything (${this.#violation})`,
          ),
        );
      };
      child.on('error', (error) => ended(`could not be run (${error.message})`));
      child.on('exit', (code, signal) => {
        const how = `ended ${signal === null ? `with status ${code}` : `by ${signal}`}`;
        // Its last output may still be on the way; a descendant that keeps the pipe open must not delay this.
        const late = setTimeout(() => ended(how), SETTLING);
        child.on('close', () => {
          clearTimeout(late);
          ended(how);
        });
      });
    });
  }

  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    return this.#wire.review(request, signal);
  }

  /** Closes the child's input, gives it a moment to end, and kills what is left. */
  async stop(): Promise<void> {
    this.#wire.close('the reviewer was stopped: the run ended');
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.stdin.end();
    const timer = setTimeout(() => this.#kill(), GRACE);
    await ended;
    clearTimeout(timer);
    this.#kill();
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  }

  /** False where the child does not read. */
  #send(line: string): boolean {
    const stdin = this.#child?.stdin;
    if (stdin === undefined || !stdin.writable || stdin.writableLength + line.length > MAX_UNREAD)
      return false;
    stdin.write(line);
    return true;
  }

  /** A pipe is closed. Mostly because the child ends, which says more about why: give it the time to say so. */
  #lost(pipe: string): void {
    setTimeout(() => this.#wire.close(`the reviewer closed its ${pipe}${this.#lastWords}`), SETTLING).unref();
  }

  #kill(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The group is gone.
    }
  }

  get #lastWords(): string {
    const words = this.#stderr.trim().split('\n').at(-1) ?? '';
    return words === '' ? '' : `; its last words: ${words}`;
  }
}
