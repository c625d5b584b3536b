/**
 * The live table: follows the trace file while the session writes it, groups events into the session's acts (the
 * shell that begins an act carries its title as last argument) and prints each act's verdicts as they come.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Event, EventObject } from '../model/event.ts';
import type { Verdict } from '../model/verdict.ts';
import { paint } from './paint.ts';

/** What one act came to. */
export interface Act {
  readonly number: number;
  readonly kind: 'honest' | 'forbidden';
  readonly title: string;
  allowed: number;
  denied: number;
}

/** The part of a trace line that the table reads. */
interface Line {
  readonly event?: Event;
  readonly verdict?: Verdict;
}

const CHUNK = 1 << 20;
/** Different denials shown for one act; the rest is counted. */
const MAX_SHOWN = 3;

export class LiveTable {
  readonly acts: Act[] = [];
  /** Events seen in all, before the first act included. */
  events = 0;
  readonly #path: string;
  readonly #root: string;
  #fd: number | undefined;
  #rest = '';
  #decoder = new TextDecoder();
  #shown = new Set<string>();
  #hidden = 0;

  /** `root` is cut from the front of shown paths. */
  constructor(path: string, root: string) {
    this.#path = path;
    this.#root = root;
  }

  /** Reads and shows what has been written since the last call. */
  follow(): void {
    try {
      this.#fd ??= openSync(this.#path, 'r');
    } catch {
      return; // Not there yet.
    }
    const chunk = Buffer.alloc(CHUNK);
    for (let length = 1; length > 0; ) {
      length = readSync(this.#fd, chunk, 0, CHUNK, null);
      const lines = (this.#rest + this.#decoder.decode(chunk.subarray(0, length), { stream: true })).split(
        '\n',
      );
      this.#rest = lines.pop()!;
      for (const line of lines) this.#take(JSON.parse(line) as Line);
    }
  }

  finish(): void {
    this.follow();
    this.#endAct();
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  #take({ event, verdict }: Line): void {
    if (event === undefined || verdict === undefined) return;
    this.events += 1;
    const act = actOf(event.object);
    if (act !== undefined && act.number !== this.acts.at(-1)?.number) {
      this.#endAct();
      this.acts.push(act);
      const style = act.kind === 'honest' ? 'cyan' : 'yellow';
      console.log(`${String(act.number).padStart(3)}  ${paint(style, act.title)}`);
    }
    const current = this.acts.at(-1);
    if (current === undefined) return;
    if (verdict.verdict === 'allow') current.allowed += 1;
    else this.#deny(current, event, verdict);
  }

  #deny(act: Act, event: Event, verdict: Verdict): void {
    act.denied += 1;
    const what = `${event.operation} ${this.#name(event.object)}`;
    if (this.#shown.has(what)) return;
    if (this.#shown.size === MAX_SHOWN) {
      this.#hidden += 1;
      return;
    }
    this.#shown.add(what);
    const who = verdict.rule === null ? `layer ${verdict.layer}` : `rule ${verdict.rule}`;
    console.log(`       ${paint('red', 'denied')} ${what}  ${paint('dim', who)}`);
  }

  #endAct(): void {
    const act = this.acts.at(-1);
    if (act === undefined) return;
    const more = this.#hidden === 0 ? '' : ` (${this.#hidden} more)`;
    const denied = act.denied === 0 ? '0 denied' : paint('red', `${act.denied} denied`);
    console.log(`       ${paint('green', `${act.allowed} allowed`)}, ${denied}${more}`);
    this.#shown = new Set();
    this.#hidden = 0;
  }

  #name(object: EventObject): string {
    const text =
      object.kind === 'program'
        ? `${object.path} ${object.argv.slice(1).join(' ')}`
        : object.kind === 'address'
          ? `port ${object.port}`
          : object.kind === 'path' && object.to !== undefined
            ? `${object.path} -> ${object.to}`
            : object.path;
    const short = text.replaceAll(`${this.#root}/`, '').replace(/[^\x20-\x7e]+/g, ' ');
    return short.length > 90 ? `${short.slice(0, 87)}...` : short;
  }
}

/** The act that an exec begins, if it is one. */
function actOf(object: EventObject): Act | undefined {
  if (object.kind !== 'program' || object.argv.length !== 5) return undefined;
  const match = /^act (\d+) (honest|forbidden): (.*)$/.exec(object.argv[4]!);
  if (match === null) return undefined;
  const [, number, kind, title] = match;
  return { number: Number(number), kind: kind as Act['kind'], title: title!, allowed: 0, denied: 0 };
}
