/**
 * How every command speaks: whole lines by direct writes to descriptors 1 and 2, colours only on a terminal
 * (and never with NO_COLOR), control characters escaped.
 *
 * Promise: never touches process.stdin, process.stdout or process.stderr. Opening those streams would switch
 * the descriptors that a command under `run` shares with us to non-blocking, under the command's feet.
 */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { inWords } from '../model/errno.ts';

const OUT = 1;
const ERR = 2;
const WRITE_FAILED = 2;
/** How long a line for stderr may wait for a full non-blocking pipe before it is dropped, ms: a reader that stands
 * still must not hold up the monitor. Output proper waits for as long as it takes. */
const PATIENCE_MS = 250;

/** Writes one line to stdout. Ends the process quietly when nobody reads any more (as in `… | head`). */
export function print(line: string): void {
  write(OUT, `${line}\n`);
}

/** Writes one line to stderr. */
export function complain(line: string): void {
  write(ERR, `${line}\n`);
}

/** Writes text as it is. For stdout a reader that has gone ends the process quietly, and whatever else keeps it from
 * being written ends it with status 2 and a line that says so: what a program reads from us is never silently cut.
 * Nothing that happens to stderr ends the process. */
export function write(fd: 1 | 2, text: string): void {
  let bytes = Buffer.from(text);
  const end = Date.now() + PATIENCE_MS;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' && (fd === OUT || Date.now() < end)) pause();
      else if (fd === ERR) return;
      else if (code === 'EPIPE') process.exit(0);
      else {
        complain(`portcullis: the output cannot be written: ${inWords(error)}`);
        process.exit(WRITE_FAILED);
      }
    }
  }
}

const nap = new Int32Array(new SharedArrayBuffer(4));
/** Sleeps one millisecond, for a descriptor that someone else made non-blocking. */
function pause(): void {
  Atomics.wait(nap, 0, 0, 1);
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** True where colours may be used on this descriptor. */
export function coloured(fd: 1 | 2, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return env.TERM !== 'dumb' && isatty(fd);
}

/** A painter for one descriptor: `paint('red', 'denied')`. Without colours it returns the text unchanged. */
export function painter(fd: 1 | 2): (style: Style, text: string) => string {
  if (!coloured(fd)) return (_style, text) => text;
  return (style, text) => {
    const [on, off] = CODES[style];
    return `\x1b[${on}m${text}\x1b[${off}m`;
  };
}

// C0 and C1 controls, DEL, line separators, bidirectional and zero-width characters, byte-order mark, lone
// surrogates (bytes that are not UTF-8; see model/bytes.ts).
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` with every character that could steer a terminal or deceive a reader written as an escape. */
export function safe(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.charCodeAt(0);
    if (SHORT[char] !== undefined) return SHORT[char];
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code & 0xff).toString(16)}`;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** `1 event`, `2 events`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Rows as aligned columns, two spaces apart; the last column is left as long as it is. Colour codes do not
 * count as width. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat(widths[i]! - width(cell))))
      .join('  '),
  );
}

function width(text: string): number {
  return text.replace(/\x1b\[\d+m/g, '').length;
}
