/** Splitting a stream of bytes into lines. Pure; memory: one line and one piece. */

export interface RawLine {
  /** Without the newline. */
  readonly bytes: Uint8Array;
  /** False for a last line that no newline ends, and for one that outgrew the limit: nothing follows it. */
  readonly whole: boolean;
}

/** The lines of `pieces`. A line longer than `limit` bytes ends the reading, as a line that is not whole. */
export function* splitLines(pieces: Iterable<Uint8Array>, limit: number): Generator<RawLine> {
  let rest: Uint8Array[] = [];
  let held = 0;
  for (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, from)) {
      const end = piece.subarray(from, at);
      if (held + end.length > limit) return yield { bytes: join([...rest, end]), whole: false };
      yield { bytes: held === 0 ? end : join([...rest, end]), whole: true };
      rest = [];
      held = 0;
      from = at + 1;
    }
    if (from === piece.length) continue;
    rest.push(piece.subarray(from));
    held += piece.length - from;
    if (held > limit) break;
  }
  if (held > 0) yield { bytes: join(rest), whole: false };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
