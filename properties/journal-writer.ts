/**
 * Journal records as native code writes them (hooks/seccomp/native/wire.h), for scenarios: what the scripted
 * hook decides reaches the monitor, and recovery after a crash, as real bytes. Written from the layout and not
 * from the reader in monitor/journal.ts, so that the two check each other.
 */
import { toBytes } from '../model/bytes.ts';
import type { Event } from '../model/event.ts';
import { OPERATIONS } from '../model/operation.ts';
import { EFFECTS, LAYERS } from '../model/verdict.ts';
import type { HookEntry } from '../monitor/hook.ts';

const HEADER = 64;
const NO_RULE = 0x3fffffff;
const KIND = { decided: 1, counted: 2, review: 3 } as const;
const TAG = {
  exe: 1,
  path: 2,
  to: 3,
  argv: 4,
  interpreter: 5,
  interpreterArgv: 6,
  address: 7,
  unix: 8,
} as const;
const PROTOCOLS = ['tcp', 'udp', 'netlink', 'other'];
const MAGIC = 0x314e52554f4a4350n;
const HEADER_PAGE = 4096;

/** One entry as one journal record. */
export function encode(entry: HookEntry): Uint8Array {
  const fields = entry.kind === 'counted' ? [field(TAG.exe, toBytes(entry.exe))] : fieldsOf(entry.event);
  const length = fields.reduce((sum, bytes) => sum + bytes.length, 0);
  const size = align(HEADER + length, 8);
  const record = new Uint8Array(size);
  const view = new DataView(record.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, KIND[entry.kind], true);
  view.setUint8(
    6,
    EFFECTS.indexOf(entry.kind === 'decided' ? entry.verdict : entry.kind === 'review' ? 'review' : 'allow'),
  );
  view.setUint8(7, LAYERS.indexOf(entry.kind === 'decided' ? entry.layer : 'policy'));
  if (entry.kind !== 'counted') {
    const { event } = entry;
    view.setBigUint64(8, BigInt(event.n), true);
    view.setBigUint64(16, BigInt(event.received), true);
    view.setBigUint64(24, BigInt(entry.kind === 'decided' ? entry.answered : 0), true);
    view.setBigUint64(32, BigInt(event.deadline), true);
    view.setUint32(40, event.subject.pid, true);
    view.setUint8(48, OPERATIONS.indexOf(event.operation));
    view.setUint16(
      50,
      event.also.reduce((bits, also) => bits | (1 << OPERATIONS.indexOf(also)), 0),
      true,
    );
    view.setUint32(56, detailOf(event), true);
  } else {
    view.setUint32(40, entry.pid, true);
  }
  view.setUint32(44, entry.rule ?? NO_RULE, true);
  view.setUint8(49, fields.length);
  view.setUint16(54, entry.kind === 'decided' && !entry.enforced ? 0 : 1, true);
  let at = HEADER;
  for (const bytes of fields) {
    record.set(bytes, at);
    at += bytes.length;
  }
  return record;
}

/** A ring file that holds exactly `records`, all unread. `capacity` is a power of two, in bytes. */
export function ringFile(records: readonly Uint8Array[], lastN: number, capacity = 1 << 16): Uint8Array {
  const file = new Uint8Array(HEADER_PAGE + capacity);
  const view = new DataView(file.buffer);
  let head = 0;
  for (const record of records) {
    file.set(record, HEADER_PAGE + head);
    head += record.length;
  }
  if (head > capacity) throw new RangeError('the scenario outgrew its ring');
  view.setBigUint64(0, MAGIC, true);
  view.setBigUint64(8, BigInt(capacity), true);
  view.setBigUint64(64, BigInt(head), true);
  view.setBigUint64(128, 0n, true);
  view.setBigUint64(192, BigInt(lastN), true);
  return file;
}

function fieldsOf({ subject, object }: Event): Uint8Array[] {
  const fields = [field(TAG.exe, toBytes(subject.exe))];
  switch (object.kind) {
    case 'path':
      fields.push(field(TAG.path, toBytes(object.path)));
      if (object.to !== undefined) fields.push(field(TAG.to, toBytes(object.to)));
      break;
    case 'program':
      fields.push(field(TAG.path, toBytes(object.path)), field(TAG.argv, list(object.argv)));
      if (object.interpreter !== undefined)
        fields.push(
          field(TAG.interpreter, toBytes(object.interpreter.path)),
          field(TAG.interpreterArgv, list(object.interpreter.argv)),
        );
      break;
    case 'address':
      fields.push(
        field(
          TAG.address,
          Uint8Array.of(PROTOCOLS.indexOf(object.protocol), ...Buffer.from(object.address, 'hex')),
        ),
      );
      break;
    case 'unix':
      fields.push(field(TAG.unix, toBytes(object.path)));
      break;
    case 'process':
      fields.push(field(TAG.path, toBytes(object.path)));
      break;
  }
  return fields;
}

const detailOf = ({ object }: Event): number =>
  object.kind === 'process' ? object.pid : object.kind === 'address' ? object.port : 0;

const align = (size: number, to: number): number => Math.ceil(size / to) * to;

/** Arguments, each ended by NUL. */
const list = (argv: readonly string[]): Uint8Array =>
  toBytes(argv.map((argument) => `${argument}\0`).join(''));

/** Header `tag << 24 | length`, the bytes, zeros up to a multiple of 4. */
function field(tag: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + align(bytes.length, 4));
  new DataView(out.buffer).setUint32(0, ((tag << 24) | bytes.length) >>> 0, true);
  out.set(bytes, 4);
  return out;
}
