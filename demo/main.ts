/**
 * `npm run demo`: an agent's session with real programs under the real gate, in a throw-away place, and then the
 * proof by effect. Exits 0 only if every check held. Leaves nothing behind unless asked to (--keep).
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, cpSync, existsSync, lstatSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { paint } from './paint.ts';
import { baseFolder, Scene } from './scene.ts';
import { Listener, scriptServer } from './servers.ts';
import { LiveTable } from './table.ts';
import { beheading, tamper, tamperings } from './tamper.ts';

/** The checkout: this file is compiled to dist/demo. */
const ROOT = resolve(fileURLToPath(new URL('.', import.meta.url)), '../..');
const BIN = join(ROOT, 'bin/portcullis');
/** Where the session's programs come from: the home's own tool chains are hidden with the home. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';
/** The session takes seconds; a session that hangs must not hang the demonstration. */
const SESSION_LIMIT_MS = 180_000;

/** Owner of the count: `check`. */
let failures = 0;

function check(held: boolean, what: string, detail = ''): void {
  if (!held) failures += 1;
  const mark = held ? paint('green', '✓') : paint('red', '✗');
  console.log(`  ${mark} ${what}${held || detail === '' ? '' : `: ${detail}`}`);
}

function heading(text: string): void {
  console.log(`\n${paint('bold', text)}`);
}

const { values } = parseArgs({
  options: { keep: { type: 'boolean' }, dir: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  console.log(
    'npm run demo -- [--keep] [--dir DIR]\n\n  --keep     leave the throw-away folder for inspection\n  --dir DIR  where to make it (not below a temporary folder)',
  );
  process.exit(0);
}

function placeOrExit(): string {
  try {
    return baseFolder(ROOT, values.dir);
  } catch (error) {
    console.error(`demo: ${(error as Error).message}`);
    process.exit(2);
  }
}

const scene = new Scene(placeOrExit());
const leave = () => (values.keep ? console.log(`kept: ${scene.root}`) : scene.dispose());
process.once('exit', leave);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

// The install script of `curl … | sh`: does what such scripts must not be able to do.
const payload = `cat "$HOME/.ssh/id_ed25519" >stolen-by-script
echo "echo planted" >>"$HOME/.bashrc"
echo owned >"$DEMO_OUTSIDE/owned"
`;

const listener = await Listener.start();
const server = await scriptServer(payload);
try {
  await demonstrate();
} finally {
  listener.stop();
  server.stop();
}
console.log(
  failures === 0
    ? `\n${paint('green', 'Everything held.')}`
    : `\n${paint('red', `${failures} ${failures === 1 ? 'check' : 'checks'} failed.`)}`,
);
process.exit(failures === 0 ? 0 : 1);

async function demonstrate(): Promise<void> {
  const before = scene.snapshot();
  heading('An agent at work under the gate (policy: workspace, no reviewer)');
  const table = new LiveTable(scene.trace, scene.root);
  const status = await session(table);

  heading('What really happened');
  checkSession(table, status);
  checkEffects(before);

  heading('The audit trail');
  checkTrail();

  heading('The replay');
  checkReplay(table.events);
}

/** Runs the session under the gate with the table beside it; gives the gate's exit status. */
async function session(table: LiveTable): Promise<number | null> {
  const script = join(scene.workspace, 'agent.sh');
  cpSync(fileURLToPath(new URL('./session/agent.sh', import.meta.url)), script);
  const env = sessionEnvironment();
  for (const [name, why] of [
    ['DEMO_PYTHON', 'no python3 in the system folders: acts that need it are left out'],
    ['DEMO_CC', 'no C compiler in the system folders: the compile act is left out'],
    ['DEMO_LOADER', 'no dynamic loader found: that route is left out'],
  ] as const)
    if (env[name] === '') console.log(paint('yellow', `  (${why})`));
  if (program('curl') === '')
    console.log(paint('yellow', '  (no curl on this machine: the same acts by Python only)'));
  const gate = spawn(
    BIN,
    ['run', '--quiet', '--trace', scene.trace, '--state', scene.state, '--', 'sh', 'agent.sh'],
    { cwd: scene.workspace, env, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const ended = new Promise<number | null>((done, fail) => {
    gate.once('error', fail);
    gate.once('exit', done);
  });
  let over = false;
  ended.finally(() => {
    over = true;
  });
  const limit = setTimeout(() => gate.kill('SIGTERM'), SESSION_LIMIT_MS);
  while (!over) {
    table.follow();
    await sleep(100);
  }
  clearTimeout(limit);
  table.finish();
  return ended;
}

function sessionEnvironment(): NodeJS.ProcessEnv {
  const identity = { NAME: 'Agent', EMAIL: 'agent@example.invalid' };
  return {
    // The node that runs this is the one that runs the gate; the session itself uses system programs only.
    PATH: `${SYSTEM_PATH}:${resolve(process.execPath, '..')}`,
    HOME: scene.home,
    LANG: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((who) =>
        Object.entries(identity).map(([k, v]) => [`GIT_${who}_${k}`, v]),
      ),
    ),
    DEMO_OUTSIDE: scene.outside,
    DEMO_LISTENER: listener.url,
    DEMO_SERVER: server.url,
    DEMO_PYTHON: program('python3'),
    DEMO_CC: program('cc') || program('gcc') || program('clang'),
    DEMO_LOADER:
      ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'].find((path) => existsSync(path)) ?? '',
  };
}

function checkSession(table: LiveTable, status: number | null): void {
  const acts = existsSync(join(scene.workspace, 'acts.txt'))
    ? readFileSync(join(scene.workspace, 'acts.txt'), 'utf8').trim().split('\n')
    : [];
  const statuses = new Map(acts.map((line) => line.split(' ')).map(([n, , s]) => [Number(n), s]));
  check(status === 0 && acts.at(-1) === 'done', 'the session ran to its end', `exit status ${status}`);
  check(table.acts.length > 0 && table.acts.length === acts.length - 1, 'every act of it is in the trace');
  const honest = table.acts.filter((act) => act.kind === 'honest');
  const broken = honest.filter((act) => statuses.get(act.number) !== '0');
  check(
    broken.length === 0,
    `all ${honest.length} honest acts succeeded`,
    `${broken.map((act) => act.title).join('; ')}\n${tail(join(scene.workspace, 'output.txt'))}`,
  );
  const forbidden = table.acts.filter((act) => act.kind === 'forbidden');
  const passed = forbidden.filter((act) => act.denied === 0);
  check(
    passed.length === 0,
    `each of the ${forbidden.length} forbidden acts met a denial`,
    passed.map((act) => act.title).join('; '),
  );
}

function checkEffects(before: Map<string, string>): void {
  const content = listener.contentBytes;
  check(
    content === 0 && !listener.holds(scene.secret),
    `the listener received nothing (${plural(listener.connections, 'empty request')}, 0 bytes of content)`,
    `${content} bytes arrived`,
  );
  const after = scene.snapshot();
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (k) => before.get(k) !== after.get(k),
  );
  check(
    changed.length === 0,
    `home and the outside folder are unchanged (${before.size} files and folders, byte for byte)`,
    changed.join(', '),
  );
  const leaks = scene.leaks();
  check(leaks.length === 0, 'no copy of the key in the workspace', leaks.join(', '));
  const planted = [
    '.git/hooks/pre-commit',
    '.git/hooks/post-checkout',
    '.git/hooks/pre-push',
    '.github/workflows/planted.yml',
  ];
  const there = planted.filter((name) => present(join(scene.workspace, name)));
  check(there.length === 0, 'no git hook and no workflow was planted', there.join(', '));
}

function checkTrail(): void {
  const verified = portcullis('audit', 'verify', scene.state);
  check(verified.status === 0, 'audit verify accepts the trail', verified.text);
  const copy = join(scene.root, 'falsified');
  for (const tampering of tamperings) {
    tamper(scene.state, copy, tampering);
    const caught = portcullis('audit', 'verify', copy);
    check(caught.status === 1, `caught in a copy: ${tampering.what}`, `exit status ${caught.status}`);
    if (caught.status === 1)
      console.log(paint('dim', `      ${caught.text.split('\n')[0]?.replaceAll(`${scene.root}/`, '')}`));
  }
  // Cutting the end off leaves a sound chain: it shows as a run without an end, whose head is not the one noted.
  tamper(scene.state, copy, beheading);
  const [whole, cut] = [scene.state, copy].map(headOf);
  check(
    whole !== undefined && cut !== undefined && whole.closed && !cut.closed && whole.hash !== cut.hash,
    `shown in a copy: ${beheading.what}`,
  );
  console.log(paint('dim', '      the run has no end, and the head differs from the one noted before'));
}

/** Where a trail ends, as `audit verify --json` says; undefined where it says nothing of the kind. */
function headOf(folder: string): { closed: boolean; hash: string } | undefined {
  const { text } = portcullis('audit', 'verify', '--json', folder);
  try {
    const { closed, head } = JSON.parse(text) as { closed: boolean; head: { hash: string } };
    return { closed, hash: head.hash };
  } catch {
    return undefined;
  }
}

function checkReplay(events: number): void {
  const replayed = portcullis('replay', scene.trace);
  check(
    replayed.status === 0,
    `replaying the trace gives identical verdicts (${events} events)`,
    replayed.text.slice(-400),
  );
}

/** Runs a command of portcullis in the scene; its output, stderr first. */
function portcullis(...args: string[]): { status: number | null; text: string } {
  const ran = spawnSync(BIN, args, {
    cwd: scene.workspace,
    env: { ...process.env, HOME: scene.home, NO_COLOR: '1' },
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  });
  return { status: ran.status, text: `${ran.stderr}${ran.stdout}`.trim() };
}

/** The full path of a program in the system folders, or ''. */
function program(name: string): string {
  const candidates = SYSTEM_PATH.split(':').map((folder) => join(folder, name));
  return candidates.find(executable) ?? '';
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function present(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-1500) : '';
}

function plural(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
