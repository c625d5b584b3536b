/**
 * A record as a line of the trail: canonical JSON, so the fields stand in the order hash, mono, payload, prev,
 * seq, time. The hash covers the payload's text as it stands in the line; a line says exactly one thing, and
 * any other spelling of it is refused.
 */
import { canonical } from './canonical.ts';
import { recordHash, type Sealed } from './hash.ts';
import type { RecordedPayload, TrailRecord } from './record.ts';

/** The longest line of a trail, in bytes with its newline. Longer ones are neither written nor read. */
export const MAX_LINE = 16 << 20;

export interface Line {
  readonly text: string;
  readonly hash: string;
}

/** Seals a record: its hash, and its line without the newline. */
export function seal(fields: Omit<TrailRecord, 'hash'>): Line {
  const { seq, time, mono, prev } = fields;
  const payload = canonical(fields.payload);
  const hash = recordHash({ seq, time, mono, prev, payload });
  const text = `{"hash":"${hash}","mono":${mono},"payload":${payload},"prev":"${prev}","seq":${seq},"time":"${time}"}`;
  return { text, hash };
}

const SHAPE =
  /^\{"hash":"([0-9a-f]{64})","mono":(0|[1-9]\d{0,20}),"payload":(\{.*\}),"prev":"([0-9a-f]{64})","seq":([1-9]\d{0,15}),"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"\}$/;

export interface ParsedLine {
  readonly record: TrailRecord;
  /** The hash that the other fields call for. The line is intact where it equals `record.hash`. */
  readonly due: string;
}

/** Reads one line (without its newline), or says in a sentence why it is not one. */
export function parseLine(bytes: Uint8Array): ParsedLine | string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  // Decoding maps every invalid byte to U+FFFD; where one stands, only the way back tells which it was.
  if (text.includes('\ufffd') && !Buffer.from(text).equals(buffer)) return 'the line is not UTF-8';
  const match = SHAPE.exec(text);
  if (match === null) return 'the line is not a record in canonical form';
  const sealed: Sealed = {
    prev: match[4]!,
    seq: Number(match[5]),
    time: match[6]!,
    mono: Number(match[2]),
    payload: match[3]!,
  };
  let payload: RecordedPayload;
  try {
    payload = JSON.parse(sealed.payload) as RecordedPayload;
    if (canonical(payload) !== sealed.payload) return 'the payload is not in canonical form';
  } catch {
    return 'the payload is not JSON';
  }
  return { record: { ...sealed, payload, hash: match[1]! }, due: recordHash(sealed) };
}
