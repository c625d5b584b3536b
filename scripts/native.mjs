/**
 * Builds the native part of the seccomp hook with the system's C++ compiler, without node-gyp:
 * hooks/seccomp/native/*.cc → build/portcullis.node, and bench/floor.c → build/floor.
 * What did not change (by content of source, headers and command line) is not compiled again.
 * Plain Node, no dependency but the two header packages. Run by itself it builds and says what it did.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const source = path.join(root, 'hooks/seccomp/native');
const build = path.join(root, 'build');
const objects = path.join(build, 'objects');
const FLAGS = ['-O2', '-fPIC', '-Wall', '-Wextra', '-fvisibility=hidden', '-pthread'];
const INCLUDES = ['node_modules/node-addon-api', 'node_modules/node-api-headers/include'];
const AT_ONCE = 2;

/** The first of `names` that answers to --version, or null. */
function compilerOf(names) {
  for (const name of names)
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  return null;
}

const digest = (...parts) =>
  parts.reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256')).digest('hex');
const read = (file) => readFileSync(file);

/** Runs a compiler; rejects with its own words. */
function compile(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${command} failed on ${args.at(-1)}:\n${text}`)),
    );
  });
}

/** Makes `target` by `command args… -o target input…` unless `key` says that it is made already. */
async function make(target, key, command, args, log, label) {
  const stamp = `${target}.key`;
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return false;
  log(label);
  // Two builds at once each write their own file; the rename puts a whole one in place.
  const mine = `${target}.${process.pid}`;
  try {
    const warnings = await compile(command, ['-o', mine, ...args]);
    if (warnings) log(warnings.trimEnd());
    renameSync(mine, target);
    writeFileSync(stamp, key);
  } finally {
    rmSync(mine, { force: true });
  }
  return true;
}

/**
 * Builds what changed. `log` is told each step. Throws an Error with a clear message where the machine lacks
 * something. Returns the path of the addon.
 */
export async function buildNative({ log = () => {} } = {}) {
  const addon = path.join(build, 'portcullis.node');
  const cxx = compilerOf([process.env.CXX, 'c++', 'g++', 'clang++']);
  if (cxx === null)
    throw new Error('no C++ compiler found: install one (Debian: apt-get install g++) or set CXX');
  for (const folder of INCLUDES)
    if (!existsSync(path.join(root, folder))) throw new Error(`${folder} is missing: run npm ci first`);
  mkdirSync(objects, { recursive: true });

  const files = readdirSync(source).sort();
  const headers = files.filter((name) => name.endsWith('.h')).map((name) => read(path.join(source, name)));
  const packages = INCLUDES.map((folder) =>
    read(path.join(root, folder, '..', folder.endsWith('include') ? '' : 'node-addon-api', 'package.json')),
  );
  const flags = ['-std=c++20', ...FLAGS, ...INCLUDES.flatMap((folder) => ['-I', folder])];
  const common = digest(cxx, process.version, ...flags, ...headers, ...packages);
  const sources = files.filter((name) => name.endsWith('.cc'));
  const made = sources.map((name) => path.join(objects, `${name}.o`));
  const waiting = sources.map((name, i) => async () => {
    const file = path.join(source, name);
    const input = ['-c', ...flags, path.relative(root, file)];
    await make(made[i], digest(common, read(file)), cxx, input, log, `compiling ${name}`);
  });
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
    }),
  );
  const key = digest(common, ...made.flatMap((object, i) => [sources[i], read(`${object}.key`)]));
  await make(
    addon,
    key,
    cxx,
    ['-shared', '-pthread', ...made.map((o) => path.relative(root, o))],
    log,
    'linking portcullis.node',
  );

  const floor = path.join(root, 'bench/floor.c');
  if (existsSync(floor)) {
    const cc = compilerOf([process.env.CC, 'cc', 'gcc', 'clang']);
    if (cc === null) log('no C compiler found: the benchmark floor is left out');
    else {
      const args = ['-O2', '-Wall', '-Wextra', '-pthread', 'bench/floor.c'];
      await make(
        path.join(build, 'floor'),
        digest(cc, ...args, read(floor)),
        cc,
        args,
        log,
        'compiling floor.c',
      );
    }
  }
  return addon;
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const addon = await buildNative({ log: (line) => console.error(line) });
    console.error(`built ${path.relative(process.cwd(), addon)}`);
  } catch (error) {
    console.error(`native build: ${error.message}`);
    process.exitCode = 1;
  }
}
