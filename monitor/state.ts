/**
 * The state folder of a run:
 *
 *   run.json       facts about the run (RunFacts)
 *   policy.yaml    the policy's text as it was used
 *   trail/         the audit trail's segments, 000001.jsonl …
 *   journal.ring   the hook's shared-memory journal
 *   control.sock   where `approve` connects
 *   lock           who owns the folder
 *
 * Promises: the folder is its owner's alone (mode 0700, files 0600), is no symbolic link, and belongs to one
 * live monitor at a time. What is not so is refused with a StateError that says what and how to mend it.
 * The lock names a process by id, start time and boot; it assumes that monitors sharing a folder share a
 * process-id name space.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { inWords } from '../model/errno.ts';
import type { RuleName } from './audit/from-hook.ts';
import { homeFolder } from './home.ts';

/** The state folder cannot be used; the message says why and how to mend it. */
export class StateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StateError';
  }
}

/** What `run.json` says. `rules` are the policy's, in the order of its table: recovery names them by index. */
export interface RunFacts {
  readonly run: string;
  /** Wall time, ISO 8601. */
  readonly created: string;
  readonly version: string;
  readonly boot: string;
  readonly pid: number;
  readonly policy: { readonly name: string; readonly digest: string };
  readonly rules: readonly RuleName[];
}

/** Where the parts of a state folder are. */
export interface StatePaths {
  readonly folder: string;
  readonly run: string;
  readonly policy: string;
  readonly trail: string;
  readonly journal: string;
  readonly control: string;
  readonly lock: string;
}

export function statePaths(folder: string): StatePaths {
  return {
    folder,
    run: join(folder, 'run.json'),
    policy: join(folder, 'policy.yaml'),
    trail: join(folder, 'trail'),
    journal: join(folder, 'journal.ring'),
    control: join(folder, 'control.sock'),
    lock: join(folder, 'lock'),
  };
}

/** The folder that holds the state folders: `$XDG_STATE_HOME/portcullis`, else `~/.local/state/portcullis`. */
export function stateRoot(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_STATE_HOME;
  return join(base?.startsWith('/') ? base : join(homeFolder(env), '.local/state'), 'portcullis');
}

/** A run's id: its UTC time to the millisecond, so that ids sort by age, and 6 random hex digits. */
export function newRunId(wall: number): string {
  const time = new Date(wall).toISOString().replace(/[-:.]/g, '');
  return `${time}-${randomBytes(3).toString('hex')}`;
}

/** This boot's id, from the kernel. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** A state folder that this process owns until `release`. */
export interface State extends StatePaths {
  /** Id of the new run. */
  readonly id: string;
  /** The facts an earlier run in this folder left, or null. */
  readonly earlier: RunFacts | null;
  /** Replaces `run.json` and `policy.yaml`, each in one step, and puts them on stable storage. Call it once the
   * run's `start` record is on stable storage: both then witness that there is one (audit/witness.ts). */
  describe(facts: RunFacts, policyText: string): void;
  /** Removes what only a live run needs (journal, socket). */
  forget(what: 'journal' | 'control'): void;
  /** Gives the folder up. */
  release(): void;
}

/** Opens `folder`, or a new one named after the run below stateRoot. Throws StateError. */
export function openState(options: { folder?: string | undefined; wall: number }): State {
  const id = newRunId(options.wall);
  const folder = resolve(options.folder ?? join(stateRoot(), id));
  return refusing(folder, () => {
    makePrivate(folder);
    const paths = statePaths(folder);
    if (!existsSync(paths.run) && !existsSync(paths.trail) && foreign(readdirSync(folder)))
      throw new StateError(`${folder} holds other files and no state; name an empty or a new folder`);
    for (const name of readdirSync(folder)) checkOwned(join(folder, name));
    const release = lock(paths.lock);
    try {
      makePrivate(paths.trail);
      for (const name of readdirSync(paths.trail)) checkOwned(join(paths.trail, name));
      return {
        ...paths,
        id,
        earlier: readFacts(paths.run),
        describe(facts, policyText) {
          refusing(folder, () => {
            replaceFile(paths.policy, policyText);
            replaceFile(paths.run, `${JSON.stringify(facts, null, 2)}\n`);
          });
        },
        forget: (what) => rmSync(paths[what], { force: true }),
        release,
      };
    } catch (error) {
      release();
      throw error;
    }
  });
}

const OURS = ['run.json', 'policy.yaml', 'trail', 'journal.ring', 'control.sock', 'lock'];

function foreign(names: readonly string[]): boolean {
  return names.some((name) => !OURS.includes(name) && !name.startsWith('lock.'));
}

/** Turns system errors into StateErrors that a person can act on. */
function refusing<T>(folder: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof StateError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why: Record<string, string> = {
      EROFS: 'it lies on a read-only file system',
      ENOSPC: 'no space is left on its file system',
      EDQUOT: 'your quota of disk space is used up',
      EACCES: 'you may not write there',
      EPERM: 'you may not write there',
      ENOTDIR: 'a part of its path is not a folder',
    };
    const said = why[code ?? ''] ?? inWords(error);
    throw new StateError(`the state folder ${folder} cannot be used: ${said}; choose another with --state`, {
      cause: error,
    });
  }
}

/** Makes the folder (parents too) if need be, and sees that it is ours alone. */
function makePrivate(folder: string): void {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    mkdirSync(folder, { mode: 0o700 });
  }
  const stat = lstatSync(folder);
  if (stat.isSymbolicLink()) throw new StateError(`${folder} is a symbolic link; name the folder itself`);
  if (!stat.isDirectory()) throw new StateError(`${folder} is not a folder`);
  checkOwned(folder);
}

function checkOwned(path: string): void {
  const stat = lstatSync(path);
  const self = process.geteuid?.();
  if (stat.isSymbolicLink()) throw new StateError(`${path} is a symbolic link; state folders hold none`);
  if (stat.uid !== self)
    throw new StateError(
      `${path} belongs to user ${stat.uid}, not to you (${self}); choose another with --state`,
    );
  if ((stat.mode & 0o022) !== 0)
    throw new StateError(`${path} is writable by others; mend it with: chmod go-w '${path}'`);
}

function readFacts(file: string): RunFacts | null {
  if (!existsSync(file)) return null;
  try {
    const facts = JSON.parse(readFileSync(file, 'utf8')) as RunFacts;
    if (typeof facts.run === 'string' && Array.isArray(facts.rules)) return facts;
  } catch {
    // reported below
  }
  throw new StateError(`${file} is not what a run writes there; choose another folder with --state`);
}

/** Replaces a file in one step; readers see the old text or the new. */
function replaceFile(file: string, text: string): void {
  const fresh = `${file}.new`;
  rmSync(fresh, { force: true });
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  const fd = openSync(fresh, flags, 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, file);
}

/**
 * Takes the lock, or says who holds it. The lock comes into being whole (a link to a finished file). A dead
 * owner's lock is replaced under a second lock, so that two who find it dead cannot both take it; one that dies
 * within that moment leaves `lock.takeover` behind, and the message says to remove it.
 */
function lock(file: string): () => void {
  const self = describeProcess(process.pid);
  if (self === null) throw new StateError('cannot read /proc/self/stat');
  const draft = `${file}.${process.pid}.${randomBytes(3).toString('hex')}`;
  writeFileSync(draft, JSON.stringify(self), { mode: 0o600, flag: 'wx' });
  try {
    if (linked(draft, file)) return unlock;
    const takeover = `${file}.takeover`;
    if (!linked(draft, takeover))
      throw new StateError(`${file} is being taken over by another run; if none is, remove ${takeover}`);
    try {
      const owner = readOwner(file);
      if (owner !== null && alive(owner))
        throw new StateError(
          `another run (process ${owner.pid}) uses this state folder: ${dirname(file)}; choose another with --state`,
        );
      rmSync(file, { force: true });
      if (!linked(draft, file)) throw new StateError(`${file} was taken by another run`);
    } finally {
      unlinkSync(takeover);
    }
    return unlock;
  } finally {
    unlinkSync(draft);
  }
  function unlock(): void {
    rmSync(file, { force: true });
  }
}

interface Owner {
  readonly pid: number;
  /** Clock ticks between boot and the process's start. */
  readonly started: string;
  readonly boot: string;
}

function describeProcess(pid: number): Owner | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the program's name, may hold anything; after its last parenthesis fields are plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return { pid, started: fields[19]!, boot: bootId() };
  } catch {
    return null;
  }
}

function alive(owner: Owner): boolean {
  const now = describeProcess(owner.pid);
  return now !== null && now.started === owner.started && now.boot === owner.boot;
}

/** Process id of the live monitor that owns a state folder; null where there is none, or none that can be seen. */
export function liveOwner({ lock }: StatePaths): number | null {
  const owner = readOwner(lock);
  return owner !== null && alive(owner) ? owner.pid : null;
}

function readOwner(file: string): Owner | null {
  try {
    const owner = JSON.parse(readFileSync(file, 'utf8')) as Owner;
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 ? owner : null;
  } catch {
    return null; // gone meanwhile, or cut short by a power cut: nobody's
  }
}

function linked(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
