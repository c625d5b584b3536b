/**
 * Drives the real `bin/portcullis run` in a throw-away folder outside the temporary folders that policies
 * leave free. Everything a test starts lives below its own scratch folder and ends with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { baseFolder } from '../../demo/scene.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
export const BIN = join(ROOT, 'bin/portcullis');

/** One row of `audit show --json`, as far as tests look at it. */
export interface Row {
  seq: number;
  operation?: string;
  object?: unknown;
  verdict?: string;
  layer?: string;
  rule?: string | null;
  reason?: string;
}

export interface Ran {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A scratch folder with home, workspace, outside and state folders. `dispose` removes it. */
export class Scratch {
  readonly root: string;
  readonly home: string;
  readonly workspace: string;
  readonly outside: string;
  readonly state: string;

  constructor() {
    this.root = mkdtempSync(join(baseFolder(ROOT), '.scratch-'));
    this.home = this.folder('home');
    this.workspace = this.folder('workspace');
    this.outside = this.folder('outside');
    this.state = join(this.root, 'state');
  }

  folder(name: string): string {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  file(name: string, content: string | Uint8Array, mode = 0o644): string {
    const path = join(this.root, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content, { mode });
    return path;
  }

  /** A policy file with these rules after the ones every program needs (system software may be read and run,
   * the workspace is free), so that a test states only what it is about. */
  policy(rules: string, head = 'default: deny'): string {
    return this.file(
      `policy-${readdirSync(this.root).length}.yaml`,
      `version: 1
${head}
rules:
  - id: system
    effect: allow
    operations: [read, exec]
    paths: ["/usr/**", "/bin/**", "/lib/**", "/lib64/**", "/etc/**", "/proc/**", "/sys/**", "/opt/**", "/dev/**", "${interpreters()}"]
  - id: devices
    effect: allow
    operations: [write]
    paths: ["/dev/null", "/dev/tty", "pipe:*", "socket:*", "/proc/self/**"]
  - id: workspace
    effect: allow
    operations: [read, write, create, delete, rename, link, chmod, truncate, mkdir, exec]
    paths: ["\${workspace}/**"]
${rules}`,
    );
  }

  env(): NodeJS.ProcessEnv {
    return { ...process.env, HOME: this.home, XDG_STATE_HOME: join(this.root, 'xdg'), NO_COLOR: '1' };
  }

  /** The arguments of `run` for this scratch. */
  arguments(options: readonly string[], command: readonly string[]): string[] {
    return ['run', '--workspace', this.workspace, '--state', this.state, ...options, '--', ...command];
  }

  run(options: readonly string[], command: readonly string[], input = ''): Ran {
    const ran = spawnSync(BIN, this.arguments(options, command), {
      cwd: this.workspace,
      env: this.env(),
      input,
      encoding: 'latin1',
      timeout: 60_000,
      maxBuffer: 64 << 20,
    });
    if (ran.error !== undefined) throw ran.error;
    return { status: ran.status, signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr };
  }

  start(options: readonly string[], command: readonly string[]): ChildProcess {
    return spawn(BIN, this.arguments(options, command), {
      cwd: this.workspace,
      env: this.env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  cli(...args: string[]): Ran {
    const ran = spawnSync(BIN, args, {
      cwd: this.workspace,
      env: this.env(),
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 256 << 20,
    });
    return { status: ran.status, signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr };
  }

  /** The trail as rows. */
  rows(): Row[] {
    const shown = this.cli('audit', 'show', '--json', this.state);
    if (shown.status !== 0) throw new Error(`audit show failed: ${shown.stderr}`);
    return shown.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row);
  }

  read(name: string): string {
    return readFileSync(join(this.root, name), 'latin1');
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Folders of language tool chains below the real home, which a test's own HOME hides. */
function interpreters(): string {
  const home = process.env.HOME ?? '/nonexistent';
  return `${home}/.pyenv/**", "${home}/.nvm/**`;
}
