/**
 * Our own arguments, environment and working folder as the kernel holds them: bytes, as Text (model/bytes.ts).
 * Node's own views of them replace whatever is not UTF-8, and the command under `run` must get what it was given.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { type Text, toText } from '../model/bytes.ts';

/** The last `count` arguments of this process. */
export function lastArguments(count: number): Text[] {
  return strings('/proc/self/cmdline').slice(-count);
}

/** The environment this process was started with. */
export function environment(): Record<string, Text> {
  const out: Record<string, Text> = Object.create(null);
  for (const line of strings('/proc/self/environ')) {
    const at = line.indexOf('=', 1);
    if (at > 0) out[line.slice(0, at)] = line.slice(at + 1);
  }
  return out;
}

export function workingFolder(): Text {
  return toText(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }));
}

/** The NUL-ended strings of a file. */
function strings(file: string): Text[] {
  const bytes = readFileSync(file);
  const out: Text[] = [];
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(0, from);
    const end = found === -1 ? bytes.length : found;
    out.push(toText(bytes.subarray(from, end)));
    from = end + 1;
  }
  return out;
}
