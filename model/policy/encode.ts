/** Automata to the buffer of table.ts and back. Decoding checks everything, so that a walk needs no checks. */
import { EFFECTS, type Effect } from '../verdict.ts';
import type { Dfa } from './determinise.ts';
import { NO_RANK } from './nfa.ts';
import {
  DEFAULT_RULE,
  HEADER_BYTES,
  MAGIC,
  MAX_PARTS,
  MAX_STATES,
  PARTS_VERSION,
  TABLE_VERSION,
} from './table.ts';

/** An effect and a rule index as one number, the form of table.ts. */
export const label = (effect: Effect, rule: number): number => (EFFECTS.indexOf(effect) | (rule << 2)) >>> 0;
export const effectOf = (label: number): Effect => EFFECTS[label & 3]!;
export const ruleIndexOf = (label: number): number => label >>> 2;

/** One automaton as the walker uses it. */
export interface Part {
  readonly classOf: Uint8Array;
  readonly classes: number;
  /** Row offset of the start state. */
  readonly start: number;
  /** By state. */
  readonly labels: Uint32Array;
  /** next[row + class] is the row offset (state × classes, below 2^24) of the successor. Signed, since a walk is then
   * arithmetic on small integers throughout. */
  readonly next: Int32Array;
}

const alignedRow = (states: number, classes: number) => (states * classes * 2 + 3) & ~3;
const partBytes = (states: number, classes: number) =>
  HEADER_BYTES + 256 + states * 4 + alignedRow(states, classes);

/**
 * Encodes automata with at most MAX_STATES states each. `labels[rank]` is the label of a rank, `unmatched` that
 * of a word that no rule speaks about; `rules` is the number of rules, for readers to check indices against.
 */
export function encode(
  parts: readonly Dfa[],
  labels: readonly number[],
  unmatched: number,
  rules: number,
): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { states, classes }) => sum + partBytes(states, classes), 0));
  const view = new DataView(out.buffer);
  const version = parts.length === 1 ? TABLE_VERSION : PARTS_VERSION;
  let at = 0;
  for (const { states, classes, classOf, rank, next } of parts) {
    for (const [i, value] of [MAGIC, version, states, classes, 0, rules].entries())
      view.setUint32(at + 4 * i, value, true);
    out.set(classOf, at + HEADER_BYTES);
    const labelsAt = at + HEADER_BYTES + 256;
    for (const [state, r] of rank.entries())
      view.setUint32(labelsAt + 4 * state, r === NO_RANK ? unmatched : labels[r]!, true);
    const nextAt = labelsAt + 4 * states;
    for (let i = 0; i < next.length; i++) view.setUint16(nextAt + 2 * i, next[i]!, true);
    at += partBytes(states, classes);
  }
  return out;
}

/** The automata in a buffer. Throws RangeError where the buffer is not what `encode` writes. */
export function decode(table: Uint8Array): Part[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const parts: Part[] = [];
  for (let at = 0; at < table.length; ) {
    must(at + HEADER_BYTES + 256 <= table.length, 'is cut short');
    const [magic, version, states, classes, start, rules] = [0, 1, 2, 3, 4, 5].map((i) =>
      view.getUint32(at + 4 * i, true),
    ) as [number, number, number, number, number, number];
    must(magic === MAGIC, 'has no magic number');
    must(version === TABLE_VERSION || version === PARTS_VERSION, `has version ${version}`);
    must(
      states >= 1 && states <= MAX_STATES && classes >= 1 && classes <= 256 && start < states,
      'has wrong sizes',
    );
    const end = at + partBytes(states, classes);
    must(end <= table.length, 'is cut short');
    must(version === PARTS_VERSION || (at === 0 && end === table.length), 'has bytes after its end');
    must(parts.length < MAX_PARTS, 'has too many automata');
    parts.push(decodePart(table, view, at, states, classes, start, rules));
    at = end;
  }
  must(parts.length > 0, 'is empty');
  return parts;
}

function decodePart(
  table: Uint8Array,
  view: DataView,
  at: number,
  states: number,
  classes: number,
  start: number,
  rules: number,
): Part {
  const classOf = table.slice(at + HEADER_BYTES, at + HEADER_BYTES + 256);
  must(
    classOf.every((c) => c < classes),
    'names a class it does not have',
  );
  const labelsAt = at + HEADER_BYTES + 256;
  const labels = Uint32Array.from({ length: states }, (_, i) => view.getUint32(labelsAt + 4 * i, true));
  const valid = (label: number) =>
    (label & 3) < EFFECTS.length && (ruleIndexOf(label) < rules || ruleIndexOf(label) === DEFAULT_RULE);
  must(labels.every(valid), 'names a rule it does not have');
  const nextAt = labelsAt + 4 * states;
  const next = new Int32Array(states * classes);
  for (let i = 0; i < next.length; i++) next[i] = view.getUint16(nextAt + 2 * i, true) * classes;
  must(
    next.every((to) => to < states * classes),
    'leads to a state it does not have',
  );
  return { classOf, classes, start: start * classes, labels, next };
}

function must(holds: boolean, fault: string): void {
  if (!holds) throw new RangeError(`the policy table ${fault}`);
}
