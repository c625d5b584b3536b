/**
 * Reading a trail from its first record to its last, checking everything on the way. The one reader behind
 * `audit verify`, `audit show` and recovery.
 *
 * Checked: segment names without gaps; every line in canonical form, its hash over its own content, its `prev`
 * the hash before it, its seq one more; the sense of it all (ledger.ts).
 * Reading stops at the first thing wrong, because nothing after it can be trusted.
 */
import { splitLines } from '../../model/lines.ts';
import { GENESIS } from './hash.ts';
import { Ledger } from './ledger.ts';
import { MAX_LINE, parseLine } from './line.ts';
import type { TrailRecord } from './record.ts';
import type { TrailStore } from './store.ts';
import { EMPTY, type Position } from './trail.ts';

export interface Problem {
  /** The segment's name, and the line in it (from 1). */
  readonly file: string;
  readonly line: number;
  /** What is wrong, in a sentence. */
  readonly what: string;
  /** `torn`: the trail ends within a record, as a crash leaves it; recovery mends that and nothing else. */
  readonly kind: 'torn' | 'bad';
}

/** How far a scan came. Owner: the scan; read it when the scan is over. */
export interface Scan {
  /** The end of the last good record. */
  position: Position;
  /** Bytes after the last good record of a torn trail. */
  torn: number;
  problem: Problem | null;
  readonly ledger: Ledger;
}

export interface Found {
  readonly record: TrailRecord;
  readonly file: string;
  readonly line: number;
}

export function newScan(): Scan {
  return { position: EMPTY, torn: 0, problem: null, ledger: new Ledger() };
}

/** Yields the good records in order and fills `scan`. System errors of the store are thrown. */
export function* scanTrail(store: TrailStore, scan: Scan): Generator<Found> {
  const segments = store.segments();
  let prev = GENESIS;
  let seq = 0;
  for (const [index, segment] of segments.entries()) {
    const file = store.name(segment);
    let line = 0;
    let bytes = 0;
    const bad = (what: string): void => {
      scan.problem = { file, line: Math.max(1, line), what, kind: 'bad' };
    };
    if (segment !== index + 1) {
      const missing = store.name(index + 1);
      return bad(`a segment is missing: ${missing} should come before this one`);
    }
    scan.position = { segment, bytes: 0, seq, hash: prev };
    for (const piece of splitLines(store.read(segment), MAX_LINE)) {
      line += 1;
      if (!piece.whole) {
        if (piece.bytes.length > MAX_LINE) return bad(`a line longer than ${MAX_LINE} bytes`);
        if (index < segments.length - 1)
          return bad('the segment ends within a record, yet another follows it');
        scan.torn = piece.bytes.length;
        scan.problem = { file, line, what: 'the trail ends within a record', kind: 'torn' };
        return;
      }
      const parsed = parseLine(piece.bytes);
      if (typeof parsed === 'string') return bad(`edited: ${parsed}`);
      const { record, due } = parsed;
      const wrong = linkage(record, due, seq, prev) ?? scan.ledger.accept(record.payload);
      if (wrong !== null) return bad(wrong);
      seq = record.seq;
      prev = record.hash;
      bytes += piece.bytes.length + 1;
      scan.position = { segment, bytes, seq, hash: prev };
      yield { record, file, line };
    }
    if (line === 0 && index < segments.length - 1) return bad('the segment is empty, yet another follows it');
  }
}

/** What is wrong with the record's own hash or its link to the one before it. */
function linkage(record: TrailRecord, due: string, seq: number, prev: string): string | null {
  if (record.hash !== due) return `edited: the hash does not cover what record ${record.seq} says`;
  const next = seq + 1;
  if (record.seq > next)
    return record.seq === next + 1
      ? `record ${next} is missing before record ${record.seq}: dropped or moved`
      : `records ${next} to ${record.seq - 1} are missing before record ${record.seq}: dropped or moved`;
  if (record.seq < next)
    return `record ${record.seq} stands after record ${seq}: inserted, repeated or moved`;
  if (record.prev !== prev)
    return seq === 0
      ? 'the first record is chained to one that is not there: the beginning was cut off'
      : `record ${record.seq} is not chained to the record ${seq} before it: one of them was replaced`;
  return null;
}
