/** Whole lines out of bytes that arrive in pieces, with a bound on the length of a line. */
export class Lines {
  readonly #limit: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  /** `limit`: bytes of the longest line, its end not counted. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The lines that `piece` completes, without their ends. Throws RangeError at a line beyond the limit. */
  *take(piece: Uint8Array): Generator<string> {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#gather(rest.subarray(0, end));
      const line = Buffer.concat(this.#rest).toString('utf8');
      this.clear();
      rest = rest.subarray(end + 1);
      yield line;
    }
    if (rest.length > 0) this.#gather(rest);
  }

  /** Forgets a line that is not complete. */
  clear(): void {
    this.#rest = [];
    this.#restBytes = 0;
  }

  #gather(part: Buffer): void {
    this.#restBytes += part.length;
    if (this.#restBytes > this.#limit) throw new RangeError(`a line of more than ${this.#limit} bytes`);
    // A copy: streams may use their buffer again.
    this.#rest.push(Buffer.from(part));
  }
}
