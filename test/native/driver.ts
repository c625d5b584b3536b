/** Builds driver.cc against the native hook's own objects, and speaks its language. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { toBytes } from '../../model/bytes.ts';
import type { Event } from '../../model/event.ts';
import { OPERATIONS } from '../../model/operation.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCE = join(import.meta.dirname, 'driver.cc');
const OBJECTS = ['words', 'journal', 'caller'].map((name) => join(ROOT, `build/objects/${name}.cc.o`));

export type Attempt = Pick<Event, 'operation' | 'also' | 'object' | 'subject'>;

/** The driver's path; compiled when it or what it is linked with is newer. */
export function buildDriver(): string {
  run(process.execPath, [join(ROOT, 'scripts/native.mjs')]);
  const driver = join(ROOT, 'build/native-test-driver');
  const made = existsSync(driver) ? statSync(driver).mtimeMs : 0;
  if ([SOURCE, ...OBJECTS].every((file) => statSync(file).mtimeMs < made)) return driver;
  const include = join(ROOT, 'hooks/seccomp/native');
  // Test files build at the same time: each its own, and the rename puts a whole one in place.
  const mine = `${driver}.${process.pid}`;
  run(process.env.CXX ?? 'c++', [
    ...['-std=c++20', '-O1', '-pthread', '-I', include, SOURCE],
    ...[...OBJECTS, '-o', mine],
  ]);
  renameSync(mine, driver);
  return driver;
}

function run(command: string, args: string[]): void {
  const ran = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} failed:\n${ran.stderr}`);
}

/** A scratch folder, removed when `use` is done. */
export async function inScratch<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-native-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const PROTOCOLS = ['tcp', 'udp', 'netlink', 'other'];

/** Events in the driver's form. */
export function encodeEvents(events: readonly Attempt[]): Buffer {
  return Buffer.concat(events.flatMap(encodeEvent));
}

function encodeEvent({ operation, also, object, subject }: Attempt): Buffer[] {
  const head = Buffer.alloc(40);
  const texts = { exe: subject.exe, path: '', to: '', argv: '', interpreter: '', interpreterArgv: '' };
  const ended = (argv: readonly string[]) => argv.map((one) => `${one}\0`).join('');
  let flags = 0;
  if (object.kind === 'address') {
    flags = 4;
    head.writeUInt32LE(PROTOCOLS.indexOf(object.protocol), 12);
    head.writeUInt32LE(object.port, 16);
    head.write(object.address, 24, 'hex');
  } else {
    texts.path = object.path;
    if (object.kind === 'path' && object.to !== undefined) {
      flags = 1;
      texts.to = object.to;
    } else if (object.kind === 'unix') flags = 8;
    else if (object.kind === 'process') {
      flags = 16;
      head.writeUInt32LE(object.pid, 20);
    } else if (object.kind === 'program') {
      flags = 2;
      texts.argv = ended(object.argv);
      texts.interpreter = object.interpreter?.path ?? '';
      texts.interpreterArgv = ended(object.interpreter?.argv ?? []);
    }
  }
  head.writeUInt32LE(OPERATIONS.indexOf(operation), 0);
  head.writeUInt32LE(
    also.reduce((mask, one) => mask | (1 << OPERATIONS.indexOf(one)), 0),
    4,
  );
  head.writeUInt32LE(flags, 8);
  const fields = Object.values(texts).flatMap((text) => {
    const bytes = Buffer.from(toBytes(text));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return [head, ...fields];
}
