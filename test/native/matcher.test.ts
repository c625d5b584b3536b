/** The native matcher says what the oracle says: the same effect by the same rule, for every shape of event. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oracle } from '../../model/oracle.ts';
import { compile } from '../../model/policy/compile.ts';
import { parsePolicy } from '../../model/policy/schema.ts';
import {
  DEFAULT_RULE,
  HEADER_BYTES,
  MAGIC,
  MAX_PARTS,
  PARTS_VERSION,
  TABLE_VERSION,
} from '../../model/policy/table.ts';
import { EFFECTS } from '../../model/verdict.ts';
import { words } from '../../model/word.ts';
import { readPolicy } from '../../monitor/policies.ts';
import { ENVIRONMENT, textOf } from '../policy/environment.ts';
import { type Attempt, buildDriver, encodeEvents, inScratch } from './driver.ts';
import { event } from './events.ts';

const driver = buildDriver();
const SEED = 7;

function natively(
  table: Uint8Array,
  events: readonly Attempt[],
): Promise<{ lines: string[]; error: string }> {
  return inScratch((folder) => {
    const file = join(folder, 'table');
    writeFileSync(file, table);
    const ran = spawnSync(driver, ['decide', file], {
      input: encodeEvents(events),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    return { lines: ran.stdout.split('\n').slice(0, -1), error: ran.stderr.trim() };
  });
}

/** A table of chance: any difference between two words shows in where it leads. */
function chanceTable(version: number, random: () => number, states = 50): Buffer {
  const table = Buffer.alloc(HEADER_BYTES + 256 + states * 4 + states * 512);
  [MAGIC, version, states, 256, 3, 1000].forEach((value, i) => {
    table.writeUInt32LE(value, i * 4);
  });
  for (let byte = 0; byte < 256; byte++) table[HEADER_BYTES + byte] = byte;
  for (let s = 0; s < states; s++) {
    // The default is one effect throughout a policy; here, review.
    const label = random() % 5 === 0 ? 1 + DEFAULT_RULE * 4 : (random() % 3) + s * 4;
    table.writeUInt32LE(label >>> 0, HEADER_BYTES + 256 + s * 4);
  }
  for (let at = HEADER_BYTES + 256 + states * 4; at < table.length; at += 2)
    table.writeUInt16LE(random() % states, at);
  return table;
}

/** A walk of such tables, written apart from every other walker: the strongest label, as table.ts defines it. */
function walk(tables: readonly Buffer[], word: Uint8Array): { effect: number; rule: number } {
  const ends = tables.map((table) => {
    const states = table.readUInt32LE(8);
    const nextAt = HEADER_BYTES + 256 + states * 4;
    const state = word.reduce((s, byte) => table.readUInt16LE(nextAt + (s * 256 + byte) * 2), 3);
    const label = table.readUInt32LE(HEADER_BYTES + 256 + state * 4);
    return { effect: label % 4, rule: Math.floor(label / 4) };
  });
  const ruled = ends.filter((end) => end.rule !== DEFAULT_RULE);
  if (ruled.length === 0) return ends[0]!;
  return ruled.sort((a, b) => b.effect - a.effect || a.rule - b.rule)[0]!;
}

function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x;
  };
}

describe('the native matcher', () => {
  it.each([
    ['the default policy', readPolicy('workspace')],
    ['the read-only policy', readPolicy('read-only')],
    [
      'a policy that speaks of everything',
      parsePolicy(
        textOf([
          { id: 'a', effect: 'allow', paths: ['/**', 'pipe:*'] },
          {
            id: 'b',
            effect: 'deny',
            operations: ['read', 'write', 'delete'],
            paths: ['~/.ssh/**', '**/.env'],
          },
          { id: 'c', effect: 'deny', argv: '(.* )?sh -c .*curl.*\\|.*sh.*' },
          { id: 'd', effect: 'allow', addresses: ['127.0.0.0/8:*', '[::1]:1-443', 'netlink:*'] },
          { id: 'e', effect: 'deny', operations: ['connect'], addresses: ['0.0.0.0/0:22', 'unix:@**'] },
          { id: 'f', effect: 'review', operations: ['rename', 'link', 'create'], paths: ['/tmp/**'] },
        ]),
        'test.yaml',
      ),
    ],
  ])('agrees with the oracle: %s', async (_name, policy) => {
    const events = fc.sample(event, { numRuns: 400, seed: SEED });
    const second = oracle(policy, ENVIRONMENT);
    const { lines, error } = await natively(compile(policy, ENVIRONMENT).table, events);
    expect(error).toBe('');
    expect(lines).toHaveLength(events.length);
    events.forEach((one, i) => {
      const { effect, rule } = second.event(one);
      expect(lines[i], JSON.stringify(one)).toBe(`${EFFECTS.indexOf(effect)} ${rule ?? DEFAULT_RULE}`);
    });
  });

  it.each([1, 3, MAX_PARTS])(
    'reads exactly the words of the model, by tables of chance (%i automata)',
    async (count) => {
      const random = xorshift(SEED + count);
      const version = count === 1 ? TABLE_VERSION : PARTS_VERSION;
      const tables = Array.from({ length: count }, () => chanceTable(version, random));
      const events = fc.sample(event, { numRuns: 2000, seed: SEED });
      const { lines } = await natively(Buffer.concat(tables), events);
      events.forEach((one, i) => {
        const decisions = words(one).map((word) => walk(tables, word));
        const best = decisions.reduce((a, b) => (b.effect > a.effect ? b : a));
        expect(lines[i], JSON.stringify(one)).toBe(`${best.effect} ${best.rule}`);
      });
    },
  );

  const sound = () => chanceTable(TABLE_VERSION, xorshift(1), 2);
  const edited = (at: number, value: number, bytes: 2 | 4 | 1 = 4) => {
    const table = sound();
    table.writeUIntLE(value, at, bytes);
    return table;
  };
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a cut header', sound().subarray(0, 100)],
    ['a cut end', sound().subarray(0, -4)],
    ['bytes after its end', Buffer.concat([sound(), Buffer.alloc(4)])],
    ['a second automaton unannounced', Buffer.concat([sound(), sound()])],
    ['another magic', edited(0, 1)],
    ['another version', edited(4, 9)],
    ['no states', edited(8, 0)],
    ['too many states', edited(8, 65536)],
    ['too many classes', edited(12, 257)],
    ['a start that is no state', edited(16, 2)],
    ['a class that is none', edited(12, 255)],
    ['a label with a fourth effect', edited(HEADER_BYTES + 256, 3)],
    ['a label with a rule that is none', edited(HEADER_BYTES + 256, 1000 * 4)],
    ['a transition to nowhere', edited(HEADER_BYTES + 256 + 8, 2, 2)],
    [
      'too many automata',
      Buffer.concat(Array.from({ length: MAX_PARTS + 1 }, () => chanceTable(PARTS_VERSION, xorshift(1), 2))),
    ],
  ])('refuses a table with %s', async (_name, table) => {
    expect((await natively(table, [])).error).toMatch(/^the policy table is damaged: /);
  });
});
