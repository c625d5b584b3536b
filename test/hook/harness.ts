/**
 * Runs commands under the native hook and reads back what it did: by effect, by journal, by counters.
 * Policies here are lists of substrings of the word, turned into a table by hand, so that these tests need
 * nothing of the policy compiler.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DEFAULT_RULE, HEADER_BYTES, MAGIC, TABLE_VERSION } from '../../model/policy/table.ts';
import { EFFECTS, type Effect } from '../../model/verdict.ts';
import type { DecidedEntry, HookEntry } from '../../monitor/hook.ts';
import { decode } from '../../monitor/journal.ts';

export const DRIVER = resolve(import.meta.dirname, 'driver.mjs');

/** A word that contains `text` has `effect`; the strongest wins; without any, allow. Rule i is pattern i. */
export interface Pattern {
  readonly text: string;
  readonly effect: Effect;
}

/** The table of `patterns` in the layout of model/policy/table.ts: one state per (what matched so far, longest
 * prefix of any pattern that ends here). */
export function tableOf(patterns: readonly Pattern[]): Uint8Array {
  const NONE = -1;
  const weight = (p: number) => (p === NONE ? -1 : EFFECTS.indexOf(patterns[p]!.effect) * 1000 - p);
  const states: { seen: string; best: number }[] = [{ seen: '', best: NONE }];
  const rows: number[][] = [];
  for (let s = 0; s < states.length; s++) {
    const { seen, best } = states[s]!;
    rows.push(
      Array.from({ length: 256 }, (_, byte) => {
        const text = seen + String.fromCharCode(byte);
        let found = best;
        patterns.forEach((p, i) => {
          if (text.endsWith(p.text) && weight(i) > weight(found)) found = i;
        });
        let rest = text;
        while (rest !== '' && !patterns.some((p) => p.text.startsWith(rest))) rest = rest.slice(1);
        const at = states.findIndex((x) => x.seen === rest && x.best === found);
        return at >= 0 ? at : states.push({ seen: rest, best: found }) - 1;
      }),
    );
  }
  const table = Buffer.alloc(HEADER_BYTES + 256 + states.length * 4 + states.length * 512);
  [MAGIC, TABLE_VERSION, states.length, 256, 0, patterns.length].forEach((value, i) => {
    table.writeUInt32LE(value, i * 4);
  });
  for (let byte = 0; byte < 256; byte++) table[HEADER_BYTES + byte] = byte;
  const labels = HEADER_BYTES + 256;
  states.forEach(({ best }, s) => {
    const label = best === NONE ? DEFAULT_RULE * 4 : best * 4 + EFFECTS.indexOf(patterns[best]!.effect);
    table.writeUInt32LE(label, labels + s * 4);
  });
  rows.flat().forEach((next, i) => {
    table.writeUInt16LE(next, labels + states.length * 4 + i * 2);
  });
  return table;
}

export interface Plan {
  patterns?: readonly Pattern[];
  deadlineMs?: number;
  observe?: boolean;
  recordAll?: boolean;
  decideHere?: boolean;
  journalBytes?: number;
  review?: 'allow' | 'deny' | 'slow' | 'never' | 'late' | 'hang';
  env?: Record<string, string>;
  /** Run as this user and group, without supplementary groups (needs root). */
  as?: number;
}

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
  entries: HookEntry[];
  decided: DecidedEntry[];
  /** `operation object` of every denied event. */
  denied: string[];
  counters: Record<string, number>;
  end: { code: number | null; signal: number | null; execErrno: number | null; leftovers: number };
  answers: { n: number; allow: boolean; accepted: boolean }[];
}

/** A scratch folder and the means to run commands in it under the hook. */
export class Bench {
  readonly root = mkdtempSync(join(tmpdir(), 'portcullis-hook-'));
  readonly work = join(this.root, 'work');
  #runs = 0;

  constructor() {
    chmodSync(this.root, 0o755);
    mkdirSync(this.work);
    chmodSync(this.work, 0o777);
  }

  file(name: string, content: string | Uint8Array, mode = 0o644): string {
    const path = join(this.work, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  #prepare(plan: Plan): { out: string; planFile: string } {
    const out = join(this.root, `run${this.#runs++}`);
    mkdirSync(out);
    chmodSync(out, 0o777);
    const planFile = join(out, 'plan.json');
    const table = Buffer.from(tableOf(plan.patterns ?? [])).toString('base64');
    const settings = { deadlineMs: 4000, review: 'deny', cwd: this.work, ...plan, table };
    writeFileSync(planFile, JSON.stringify({ ...settings, patterns: undefined }));
    return { out, planFile };
  }

  /** Runs `command` to its end. */
  run(plan: Plan, ...command: string[]): Ran {
    const { out, planFile } = this.#prepare(plan);
    const user =
      plan.as === undefined ? [] : ['setpriv', `--reuid=${plan.as}`, `--regid=${plan.as}`, '--clear-groups'];
    const line = [...user, process.execPath, DRIVER, planFile, out, '--', ...command];
    const ran = spawnSync(line[0]!, line.slice(1), {
      encoding: 'latin1',
      timeout: 15_000,
      // Node's pipes are sockets, and bash as a top-level shell with a socket for stdin reads ~/.bashrc.
      env: { ...process.env, LC_ALL: 'C', SHLVL: '2', ...plan.env },
    });
    const { stdout, stderr } = ran;
    if (ran.status === 125) throw new Error(`not started: ${stderr}`);
    if (ran.error) throw ran.error;
    const { entries } = decode(readFileSync(join(out, 'journal.bin')));
    const decided = entries.filter((entry) => entry.kind === 'decided');
    const denied = decided
      .filter((entry) => entry.verdict === 'deny')
      .map(({ event }) => `${event.operation} ${'path' in event.object ? event.object.path : ''}`);
    return {
      status: ran.status,
      stdout,
      stderr,
      entries,
      decided,
      denied,
      ...JSON.parse(readFileSync(join(out, 'end.json'), 'utf8')),
    };
  }

  /** Runs a Python script on a terminal of its own, whose foreground group it is with the hook's driver. `typed`
   * is typed once it has said something. */
  onTerminal(typed: string, script: string): { status: number | null; stdout: string } {
    const { out, planFile } = this.#prepare({});
    const terminal = `import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
said = b''
while True:
    try: got = os.read(fd, 4096)
    except OSError: break
    if not got: break
    if not said: os.write(fd, sys.argv[1].encode())
    said += got
sys.stdout.write(said.decode()); sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) % 256)`;
    const command = [process.execPath, DRIVER, planFile, out, '--', 'python3', '-c', script];
    return spawnSync('python3', ['-c', terminal, typed, ...command], { encoding: 'latin1', timeout: 15_000 });
  }

  /** Starts `command` and leaves it running; the caller ends the driver. */
  start(plan: Plan, ...command: string[]): ChildProcess {
    const { out, planFile } = this.#prepare(plan);
    return spawn(process.execPath, [DRIVER, planFile, out, '--', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
