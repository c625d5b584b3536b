// Set-up: from a fresh clone to something that runs. Needs git, Node, npm, Python 3 and a C++ compiler, and no
// root. Plain Node without dependencies, since it runs before there are any.
//
// Promises: says each thing it does; does only what has changed (by content, not by date); installs exactly
// what package-lock.json names and runs no package's install script; two set-ups at once take turns.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MIN_NODE = [20, 19, 0];
/** What `tsc -p tsconfig.build.json` reads. */
const SOURCES = ['model', 'monitor', 'hooks', 'traces', 'replay', 'properties', 'cli', 'bench', 'demo'];
/** Files the program reads at run time that are not TypeScript: copied beside the compiled code. */
const ASSETS = ['model/policy/builtin', 'demo/session'];
const STAMP = join(root, 'dist/.built-from');

function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

/** Ends set-up with one sentence on what is wrong and one on how to mend it. */
class Refusal extends Error {}

async function main() {
  checkNode();
  const release = await takeTurn();
  try {
    await installPackages();
    await buildNativeCore();
    await compile();
  } finally {
    release();
  }
}

function checkNode() {
  const [major, minor, patch] = process.versions.node.split('.').map(Number);
  const [a, b, c] = MIN_NODE;
  if (process.platform !== 'linux')
    throw new Refusal(`Portcullis runs on Linux; this is ${process.platform}.`);
  if (major < a || (major === a && (minor < b || (minor === b && patch < c))))
    throw new Refusal(
      `Node ${process.versions.node} is too old: install Node ${MIN_NODE.join('.')} or later.`,
    );
}

/**
 * Waits until no other set-up works in this checkout. The lock is an abstract unix socket named after the
 * folder: the kernel drops it with the process that holds it, so no stale lock can be left behind. It does not
 * reach across network name spaces (two containers that share one checkout).
 */
async function takeTurn() {
  const name = `\0portcullis-setup-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`;
  for (let told = false; ; told = true) {
    const outcome = await new Promise((done) => {
      const server = createServer();
      server.once('error', (error) => done(error));
      server.listen(name, () => done(server.unref()));
    });
    if (!(outcome instanceof Error)) return () => outcome.close();
    if (outcome.code !== 'EADDRINUSE') {
      say(`going on without a lock (${outcome.code}): do not run two set-ups at once here`);
      return () => {};
    }
    if (!told) say('another set-up is at work in this folder; waiting for it');
    await new Promise((done) => setTimeout(done, 200));
  }
}

// --- packages ----------------------------------------------------------------------------------------------

async function installPackages() {
  const why = packagesWanting();
  if (why === null) return;
  say(`installing packages with npm ci: ${why}`);
  try {
    execFileSync('npm', ['--version'], { cwd: root, stdio: 'ignore' });
  } catch {
    throw new Refusal('npm was not found: install npm (it comes with Node) and run again.');
  }
  // No install scripts: nothing runs and nothing is fetched beyond the packages named in package-lock.json.
  await run(
    'npm',
    ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      failed: 'npm ci failed (its own message is above): check the network and package-lock.json.',
    },
  );
}

/**
 * Why packages must be installed, or null. Compares package-lock.json with the list npm leaves inside
 * node_modules when an install is complete, so it needs no stamp and an interrupted install is noticed.
 */
function packagesWanting() {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  let present;
  try {
    present = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages;
  } catch {
    return 'node_modules is missing or incomplete';
  }
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const here = present[path];
    if (here === undefined && !entry.optional) return `${path} is missing`;
    if (here !== undefined && here.integrity !== entry.integrity) return `${path} is not the version wanted`;
  }
  for (const path of Object.keys(present))
    if (wanted[path] === undefined) return `${path} is no longer wanted`;
  return null;
}

// --- native code -------------------------------------------------------------------------------------------

async function buildNativeCore() {
  const { buildNative } = await import('./native.mjs');
  await buildNative({ log: say });
}

// --- TypeScript --------------------------------------------------------------------------------------------

async function compile() {
  const sources = SOURCES.flatMap((name) =>
    filesBelow(join(root, name), (file) => /\.(ts|json)$/.test(file)),
  );
  const assets = ASSETS.flatMap((name) => filesBelow(join(root, name), () => true));
  const inputs = [
    ...sources,
    ...assets,
    ...['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((n) => join(root, n)),
  ];
  const digest = digestOf(inputs);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return;
  say(`compiling ${sources.length} TypeScript files into dist/`);
  rmSync(STAMP, { force: true });
  for (const name of ASSETS)
    if (existsSync(join(root, name))) {
      rmSync(join(root, 'dist', name), { recursive: true, force: true });
      cpSync(join(root, name), join(root, 'dist', name), { recursive: true });
    }
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    failed: 'the TypeScript sources do not compile (see above).',
  });
  removeOrphans();
  writeFileSync(STAMP, digest);
}

/** Removes compiled files whose source is gone, so that nothing can import a module that no longer exists. */
function removeOrphans() {
  const dist = join(root, 'dist');
  for (const file of filesBelow(dist, (name) => name.endsWith('.js'))) {
    const source = join(root, relative(dist, file).replace(/\.js$/, '.ts'));
    if (!existsSync(source)) rmSync(file);
  }
}

/** Every file below `folder` that `wanted` accepts, sorted. */
function filesBelow(folder, wanted) {
  if (!existsSync(folder)) return [];
  const out = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) out.push(...filesBelow(path, wanted));
    else if (wanted(name)) out.push(path);
  }
  return out;
}

/** One hash over names and contents, each framed by its length. */
function digestOf(files) {
  const hash = createHash('sha256').update(`node ${process.versions.modules}\n`);
  for (const file of files) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file).length} ${relative(root, file)} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/** Runs a program in the checkout with its output shown on stderr; refuses with `failed` unless it exits 0. */
function run(program, args, { failed }) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2] });
    child.once('error', (error) => fail(new Refusal(`${program} could not be started: ${error.message}`)));
    child.once('exit', (code) => (code === 0 ? done() : fail(new Refusal(failed))));
  });
}

mkdirSync(join(root, 'build'), { recursive: true });
try {
  await main();
} catch (error) {
  say(error instanceof Refusal ? error.message : `${error.message ?? error}`);
  if (process.env.PORTCULLIS_DEBUG) console.error(error);
  process.exitCode = 1;
}
