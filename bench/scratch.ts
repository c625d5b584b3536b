/** A throw-away folder for one benchmark, and the real `bin/portcullis run` in it with its memory watched. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The checkout: this file is compiled to dist/bench. */
export const ROOT = resolve(import.meta.dirname, '../..');

export interface Gated {
  readonly status: number | null;
  readonly stdout: string;
  readonly seconds: number;
  /** Resident memory of the monitor, MiB: one sample each 100 ms, and the peak. */
  readonly resident: readonly number[];
  readonly peak: number;
}

export class Scratch {
  readonly root = mkdtempSync(join(ROOT, '.scratch-bench-'));
  readonly workspace = join(this.root, 'workspace');
  #runs = 0;

  constructor() {
    mkdirSync(this.workspace);
  }

  /** Runs `command` without the gate. */
  bare(command: readonly string[]): Promise<Gated> {
    return this.#run(command);
  }

  /** Runs `command` under the gate, in a state folder of its own; `prefix` goes before the gate (taskset). */
  gated(
    options: readonly string[],
    command: readonly string[],
    prefix: readonly string[] = [],
  ): Promise<Gated> {
    this.#runs += 1;
    const state = this.state(this.#runs);
    return this.#run([
      ...prefix,
      join(ROOT, 'bin/portcullis'),
      ...['run', '--workspace', this.workspace, '--state', state, ...options, '--', ...command],
    ]);
  }

  /** State folder of the k-th gated run, counted from 1; of the last one by default. */
  state(k = this.#runs): string {
    return join(this.root, `state-${k}`);
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #run(command: readonly string[]): Promise<Gated> {
    return new Promise((resolve, reject) => {
      const started = process.hrtime.bigint();
      const child = spawn(command[0]!, command.slice(1), {
        cwd: this.workspace,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const resident: number[] = [];
      let peak = 0;
      const sample = () => {
        try {
          const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
          // A process that is ending has no memory any more: no sample.
          const now = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
          if (now > 0) resident.push(now);
          peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
        } catch {
          // The process is gone; its last sample stands.
        }
      };
      const timer = setInterval(sample, 100);
      let stdout = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.on('error', reject);
      child.on('close', (status) => {
        clearInterval(timer);
        const seconds = Number(process.hrtime.bigint() - started) / 1e9;
        resolve({ status, stdout, seconds, resident, peak });
      });
    });
  }
}
