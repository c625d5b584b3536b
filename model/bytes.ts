/**
 * Text for bytes. Kernel strings (paths, arguments) are bytes and need not be UTF-8; JSON needs text.
 *
 * `Text` is a JavaScript string in which every byte that is not part of valid UTF-8 stands as one lone
 * surrogate U+DC80…U+DCFF (the "surrogateescape" convention of Python). Valid UTF-8 never decodes to a
 * lone surrogate, so the two functions below are inverse to each other on every byte string.
 */
export type Text = string;

const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes that `text` stands for. A lone surrogate outside U+DC80…U+DCFF becomes U+FFFD. */
export function toBytes(text: Text): Uint8Array {
  if (!/[\uDC80-\uDCFF]/.test(text)) return utf8.encode(text);
  const out: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) out.push(code & 0xff);
    else out.push(...utf8.encode(char));
  }
  return Uint8Array.from(out);
}

/** The text that stands for `bytes`; total, never throws. */
export function toText(bytes: Uint8Array): Text {
  try {
    return strict.decode(bytes);
  } catch {
    return escaped(bytes);
  }
}

/** Decodes maximal valid UTF-8 sequences and escapes every other byte. */
function escaped(bytes: Uint8Array): Text {
  let out = '';
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length === 0) {
      out += String.fromCharCode(0xdc00 | bytes[i]!);
      i += 1;
    } else {
      out += strict.decode(bytes.subarray(i, i + length));
      i += length;
    }
  }
  return out;
}

/** The length of the valid UTF-8 sequence at `at`, or 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
