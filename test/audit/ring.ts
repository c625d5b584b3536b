/** Writes journal records and ring files as native code does, straight from the layout of wire.h. */
import { OPERATIONS, type Operation } from '../../model/operation.ts';

export interface RecordFields {
  n?: number;
  kind?: number;
  effect?: number;
  layer?: number;
  op?: Operation;
  also?: number;
  rule?: number;
  reason?: number;
  detail?: number;
  fields: [tag: number, value: string | Uint8Array][];
}

/** One record. Unless told otherwise: an allowed write, decided by policy. */
export function encode(record: RecordFields): Buffer {
  const fields = record.fields.map(([tag, value]) => {
    const bytes = Buffer.from(value as string);
    const out = Buffer.alloc(4 + ((bytes.length + 3) & ~3));
    out.writeUInt32LE(tag * 0x1000000 + bytes.length);
    bytes.copy(out, 4);
    return out;
  });
  const length = 64 + fields.reduce((sum, field) => sum + field.length, 0);
  const out = Buffer.alloc((length + 7) & ~7);
  out.writeUInt32LE(out.length, 0);
  out.writeUInt16LE(record.kind ?? 1, 4);
  out.writeUInt8(record.effect ?? 0, 6);
  out.writeUInt8(record.layer ?? 1, 7);
  out.writeBigUInt64LE(BigInt(record.n ?? 1), 8);
  out.writeBigUInt64LE(10n, 16);
  out.writeBigUInt64LE(20n, 24);
  out.writeBigUInt64LE(30n, 32);
  out.writeUInt32LE(42, 40);
  out.writeUInt32LE(record.rule ?? 0x3fffffff, 44);
  out.writeUInt8(OPERATIONS.indexOf(record.op ?? 'write'), 48);
  out.writeUInt8(fields.length, 49);
  out.writeUInt16LE(record.also ?? 0, 50);
  out.writeUInt16LE(record.reason ?? 0, 52);
  out.writeUInt16LE(1, 54);
  out.writeUInt32LE(record.detail ?? 0, 56);
  Buffer.concat(fields).copy(out, 64);
  return out;
}

/** A ring file with these records between tail and head; a padding record where one would wrap. */
export function ringFile(ring: { capacity: number; tail: number; records: Buffer[] }): Buffer {
  const { capacity, tail, records } = ring;
  const file = Buffer.alloc(4096 + capacity);
  let head = tail;
  for (const record of records) {
    const left = capacity - (head % capacity);
    if (record.length > left) {
      file.writeUInt32LE(left, 4096 + (head % capacity));
      head += left;
    }
    record.copy(file, 4096 + (head % capacity));
    head += record.length;
  }
  file.write('PCJOURN1', 0);
  file.writeBigUInt64LE(BigInt(capacity), 8);
  file.writeBigUInt64LE(BigInt(head), 64);
  file.writeBigUInt64LE(BigInt(tail), 128);
  file.writeBigUInt64LE(BigInt(records.length), 192);
  return file;
}
