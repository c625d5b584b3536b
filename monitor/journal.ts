/**
 * Reader of the journal, the shared-memory ring through which native code reports every event. States the
 * layout of hooks/seccomp/native/wire.h once more (a test compares the two) and turns its records into hook
 * entries. The journal lies in a file that the supervised command cannot reach, but a crash, a full disk or a
 * bug may leave anything in it: whatever does not fit the layout is a JournalError, never a wrong entry.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Text, toText } from '../model/bytes.ts';
import type { Event, EventObject, Subject } from '../model/event.ts';
import { OPERATIONS, type Operation } from '../model/operation.ts';
import { LAYERS } from '../model/verdict.ts';
import type { HookEntry } from './hook.ts';

/** 'PCJOURN1' as a little-endian u64. */
export const JOURNAL_MAGIC = 0x314e52554f4a4350n;
/** Bytes of the header page; the ring follows. */
export const JOURNAL_HEADER = 4096;
/** Byte offsets of the header's u64 fields. */
export const HEADER = { magic: 0, capacity: 8, head: 64, tail: 128, nextN: 192 } as const;

export const RECORD_BYTES = 64;
export const NO_RULE = 0x3fffffff;
export const KIND = { pad: 0, decided: 1, counted: 2, review: 3 } as const;
export const EFFECT = { allow: 0, review: 1, deny: 2 } as const;
/** Byte offsets within a record. */
export const RECORD = {
  size: 0,
  kind: 4,
  effect: 6,
  layer: 7,
  n: 8,
  received: 16,
  answered: 24,
  deadline: 32,
  pid: 40,
  rule: 44,
  op: 48,
  fields: 49,
  also: 50,
  reason: 52,
  enforced: 54,
  detail: 56,
} as const;
export const TAG = {
  exe: 1,
  path: 2,
  to: 3,
  argv: 4,
  interpreter: 5,
  interpreterArgv: 6,
  address: 7,
  unix: 8,
  subjectArgv: 9,
  cwd: 10,
} as const;

/** Why the hook itself denied, by number; index 0 stands for the policy, which has its own reasons. */
export const HOOK_REASONS = [
  '',
  'the path could not be resolved to an object',
  "the caller's memory or descriptors could not be read",
  "the caller's credentials differ from the supervisor's",
  'the argument list or address is longer than the hook judges',
  'the executable cannot be sealed: it is unreadable or not traceable',
  'what runs is not what was judged; the process was killed',
  'an address family or kind of object that the hook does not mediate',
  'too many operations in flight',
  'the journal stayed full until the deadline',
  'the hook failed',
  'the target is the monitor itself',
  'a way of acting on a process outside the command that the hook does not mediate',
] as const;

const PROTOCOLS = ['tcp', 'udp', 'netlink', 'other'] as const;
/** The largest ring that is read; the hook makes smaller ones. */
const MAX_CAPACITY = 1 << 30;

/** The journal does not hold what its layout promises; the message says where and what. */
export class JournalError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JournalError';
  }
}

export interface Decoded {
  readonly entries: HookEntry[];
  /** The highest event number among them, 0 where none has one. */
  readonly lastN: number;
}

/** Decodes whole records, in order. At the first that is not sound it throws JournalError, or hands it to
 * `damaged` and returns what came before. */
export function decode(bytes: Uint8Array, damaged?: (error: JournalError) => void): Decoded {
  const decoded = { entries: [], lastN: 0 };
  try {
    decodeInto(decoded, bytes);
  } catch (error) {
    if (damaged === undefined || !(error instanceof JournalError)) throw error;
    damaged(error);
  }
  return decoded;
}

function decodeInto(decoded: { entries: HookEntry[]; lastN: number }, bytes: Uint8Array): void {
  const { entries } = decoded;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < buffer.length; ) {
    const left = buffer.length - at;
    const size = left >= 8 ? buffer.readUInt32LE(at) : 0;
    if (size < 8 || size % 8 !== 0 || size > left)
      throw new JournalError(`record at byte ${at}: size ${size} does not fit into the ${left} bytes left`);
    const kind = buffer.readUInt16LE(at + RECORD.kind);
    if (kind !== KIND.pad) {
      const entry = decodeRecord(buffer, at, size, kind);
      if (entry.kind !== 'counted' && entry.event.n > decoded.lastN) decoded.lastN = entry.event.n;
      entries.push(entry);
    }
    at += size;
  }
}

/** The fields of the record being decoded, as slices of its bytes: start and end by tag, 0 where absent.
 * Owner: decodeRecord, for one call. */
const starts = new Int32Array(16);
const ends = new Int32Array(16);

function decodeRecord(buffer: Buffer, at: number, size: number, kind: number): HookEntry {
  const bad = (what: string): never => {
    throw new JournalError(`record at byte ${at}: ${what}`);
  };
  if (size < RECORD_BYTES) bad(`size ${size} is below that of a record`);
  indexFields(buffer, at, size, bad);
  const exe = text(buffer, TAG.exe) ?? bad('it names no executable');
  const pid = buffer.readUInt32LE(at + RECORD.pid);
  const ruleIndex = buffer.readUInt32LE(at + RECORD.rule);
  const rule = ruleIndex === NO_RULE ? null : ruleIndex;
  if (kind === KIND.counted) return { kind: 'counted', exe, pid, rule };
  if (kind !== KIND.decided && kind !== KIND.review) bad(`unknown kind ${kind}`);

  const n = u64(buffer, at + RECORD.n);
  if (n < 1 || n > Number.MAX_SAFE_INTEGER) bad('an event without a number');
  const operation = OPERATIONS[buffer[at + RECORD.op]!] ?? bad(`unknown operation ${buffer[at + RECORD.op]}`);
  const event: Event = {
    n,
    operation,
    also: alsoOf(buffer.readUInt16LE(at + RECORD.also), bad),
    object: decodeObject(buffer, at, operation, bad),
    subject: decodeSubject(buffer, exe, pid, bad),
    received: u64(buffer, at + RECORD.received),
    deadline: u64(buffer, at + RECORD.deadline),
  };
  if (kind === KIND.review) return { kind: 'review', event, rule };

  const effect = buffer[at + RECORD.effect]!;
  if (effect !== EFFECT.allow && effect !== EFFECT.deny) bad(`a decision with effect ${effect}`);
  const layer = LAYERS[buffer[at + RECORD.layer]!] ?? bad(`unknown layer ${buffer[at + RECORD.layer]}`);
  const reason = buffer.readUInt16LE(at + RECORD.reason);
  const decided = {
    kind: 'decided' as const,
    event,
    verdict: effect === EFFECT.allow ? ('allow' as const) : ('deny' as const),
    layer,
    rule,
    answered: u64(buffer, at + RECORD.answered),
    enforced: buffer.readUInt16LE(at + RECORD.enforced) !== 0,
  };
  if (reason === 0) return decided;
  return { ...decided, reason: HOOK_REASONS[reason] ?? bad(`unknown reason ${reason}`) };
}

type Bad = (what: string) => never;

function indexFields(buffer: Buffer, at: number, size: number, bad: Bad): void {
  starts.fill(0);
  const end = at + size;
  let field = at + RECORD_BYTES;
  for (let left = buffer[at + RECORD.fields]!; left > 0; left -= 1) {
    if (field + 4 > end) bad('its fields run over its end');
    const header = buffer.readUInt32LE(field);
    const tag = header >>> 24;
    const length = header & 0xffffff;
    if (tag < TAG.exe || tag > TAG.cwd) bad(`unknown field ${tag}`);
    if (starts[tag] !== 0) bad(`field ${tag} stands twice`);
    if (field + 4 + length > end) bad('its fields run over its end');
    starts[tag] = field + 4;
    ends[tag] = field + 4 + length;
    field += 4 + ((length + 3) & ~3);
  }
}

function decodeObject(buffer: Buffer, at: number, operation: Operation, bad: Bad): EventObject {
  const detail = buffer.readUInt32LE(at + RECORD.detail);
  if (starts[TAG.address] !== 0) {
    const from = starts[TAG.address]!;
    if (ends[TAG.address]! - from !== 17) bad('an address of the wrong length');
    const protocol = PROTOCOLS[buffer[from]!] ?? bad(`unknown protocol ${buffer[from]}`);
    return { kind: 'address', protocol, address: buffer.toString('hex', from + 1, from + 17), port: detail };
  }
  const socket = text(buffer, TAG.unix);
  if (socket !== undefined) return { kind: 'unix', path: socket };
  const path = text(buffer, TAG.path) ?? bad('it names no object');
  if (operation === 'signal') return { kind: 'process', pid: detail, path };
  if (operation !== 'exec') {
    const to = text(buffer, TAG.to);
    return to === undefined ? { kind: 'path', path } : { kind: 'path', path, to };
  }
  const argv = list(buffer, TAG.argv, bad) ?? [];
  const interpreter = text(buffer, TAG.interpreter);
  if (interpreter === undefined) return { kind: 'program', path, argv };
  const interpreterArgv = list(buffer, TAG.interpreterArgv, bad) ?? [];
  return { kind: 'program', path, argv, interpreter: { path: interpreter, argv: interpreterArgv } };
}

function decodeSubject(buffer: Buffer, exe: Text, pid: number, bad: Bad): Subject {
  const argv = list(buffer, TAG.subjectArgv, bad);
  const cwd = text(buffer, TAG.cwd);
  if (argv === undefined) return cwd === undefined ? { exe, pid } : { exe, pid, cwd };
  return cwd === undefined ? { exe, pid, argv } : { exe, pid, argv, cwd };
}

const NONE: readonly Operation[] = [];

function alsoOf(mask: number, bad: Bad): readonly Operation[] {
  if (mask === 0) return NONE;
  if (mask >>> OPERATIONS.length !== 0) bad(`unknown operations in ${mask.toString(2)}`);
  return OPERATIONS.filter((_, i) => (mask >>> i) & 1);
}

function text(buffer: Buffer, tag: number): Text | undefined {
  const from = starts[tag]!;
  return from === 0 ? undefined : textOf(buffer, from, ends[tag]!);
}

/** Like toText, but quick for valid UTF-8: a decoded U+FFFD is either one in the bytes or a replaced byte. */
function textOf(buffer: Buffer, from: number, to: number): Text {
  const quick = buffer.toString('utf8', from, to);
  return quick.includes('\ufffd') ? toText(buffer.subarray(from, to)) : quick;
}

/** A field of strings each ended by NUL. */
function list(buffer: Buffer, tag: number, bad: Bad): Text[] | undefined {
  let from = starts[tag]!;
  if (from === 0) return undefined;
  const end = ends[tag]!;
  if (end > from && buffer[end - 1] !== 0) bad('a list of arguments that does not end');
  const out: Text[] = [];
  while (from < end) {
    const to = buffer.indexOf(0, from);
    out.push(textOf(buffer, from, to));
    from = to + 1;
  }
  return out;
}

function u64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000;
}

/** The bytes of a dead monitor's journal file, which must not be in use. Throws JournalError where it cannot be
 * a journal, and system errors. */
export function readJournalFile(file: string): Uint8Array {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new JournalError(`${file} is not a regular file`);
    if (stat.size > JOURNAL_HEADER + MAX_CAPACITY)
      throw new JournalError(`${file}: ${stat.size} bytes are too many for a journal`);
    const bytes = Buffer.alloc(stat.size);
    let have = 0;
    while (have < bytes.length) {
      const length = readSync(fd, bytes, have, bytes.length - have, have);
      if (length === 0) break;
      have += length;
    }
    return bytes.subarray(0, have);
  } finally {
    closeSync(fd);
  }
}

/** What the dead monitor had not read of it: the records between tail and head, in order. Throws JournalError
 * where the header is not sound; `damaged` as for decode. */
export function decodeDeadJournal(file: Uint8Array, damaged?: (error: JournalError) => void): Decoded {
  return decode(unread(Buffer.from(file.buffer, file.byteOffset, file.byteLength)), damaged);
}

/** The unread records of a journal file, all of them sound. */
export function readDeadJournal(file: string): Decoded {
  try {
    return decodeDeadJournal(readJournalFile(file));
  } catch (error) {
    if (error instanceof JournalError && !error.message.startsWith(file))
      throw new JournalError(`${file}: ${error.message}`);
    throw error;
  }
}

function unread(file: Buffer): Buffer {
  if (file.length === 0) return file; // created, never set up
  if (file.length < JOURNAL_HEADER) throw new JournalError('shorter than a journal header');
  const magic = file.readBigUInt64LE(HEADER.magic);
  const capacity = u64(file, HEADER.capacity);
  const head = file.readBigUInt64LE(HEADER.head);
  const tail = file.readBigUInt64LE(HEADER.tail);
  if (magic === 0n && head === 0n && tail === 0n) return Buffer.alloc(0); // sized, never set up
  if (magic !== JOURNAL_MAGIC) throw new JournalError('not a journal: its first bytes are not PCJOURN1');
  if (capacity < 8 || !Number.isInteger(Math.log2(capacity)) || file.length !== JOURNAL_HEADER + capacity)
    throw new JournalError(`a capacity of ${capacity} in a file of ${file.length} bytes`);
  if (tail > head || head - tail > BigInt(capacity) || head % 8n !== 0n || tail % 8n !== 0n)
    throw new JournalError(`head ${head} and tail ${tail} do not fit a ring of ${capacity} bytes`);
  const ring = file.subarray(JOURNAL_HEADER);
  const from = Number(tail % BigInt(capacity));
  const length = Number(head - tail);
  if (from + length <= capacity) return ring.subarray(from, from + length);
  return Buffer.concat([ring.subarray(from), ring.subarray(0, from + length - capacity)]);
}
