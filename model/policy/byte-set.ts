/** Sets of bytes: the letters on the transitions of the policy's automata. Immutable. */

export class ByteSet {
  /** 1 for each member. */
  readonly has: Uint8Array;
  /** Equal sets have equal keys. */
  readonly key: string;

  constructor(member: (byte: number) => boolean) {
    this.has = Uint8Array.from({ length: 256 }, (_, byte) => (member(byte) ? 1 : 0));
    this.key = members(this.has);
  }
}

function members(has: Uint8Array): string {
  let key = '';
  for (let byte = 0; byte < 256; byte++) if (has[byte]) key += String.fromCharCode(byte);
  return key;
}

export const NUL = 0;
export const SLASH = 0x2f;
export const SPACE = 0x20;

/** The 256 sets of one byte. */
export const SINGLE: readonly ByteSet[] = Array.from(
  { length: 256 },
  (_, byte) => new ByteSet((b) => b === byte),
);
export const ANY_BYTE = new ByteSet(() => true);
/** What `**` repeats. */
export const NOT_NUL = new ByteSet((byte) => byte !== NUL);
/** What `*` repeats and `?` takes. */
export const NOT_SLASH = new ByteSet((byte) => byte !== NUL && byte !== SLASH);
