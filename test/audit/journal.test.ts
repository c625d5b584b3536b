/** The journal's layout is the one of wire.h, and nothing unsound gets through. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toText } from '../../model/bytes.ts';
import { OPERATIONS } from '../../model/operation.ts';
import { LAYERS } from '../../model/verdict.ts';
import {
  decode,
  decodeDeadJournal,
  EFFECT,
  HEADER,
  HOOK_REASONS,
  JOURNAL_HEADER,
  JOURNAL_MAGIC,
  JournalError,
  KIND,
  NO_RULE,
  RECORD,
  TAG,
} from '../../monitor/journal.ts';
import { encode, type RecordFields, ringFile } from './ring.ts';

const WIRE = readFileSync(join(import.meta.dirname, '../../hooks/seccomp/native/wire.h'), 'utf8');

/** The body of an enum or struct of wire.h without comments. */
function body(name: string): string {
  const found = new RegExp(`(?:enum class|struct) ${name}\\b[^{]*\\{([^}]*)\\}`).exec(WIRE);
  return found![1]!.replace(/\/\/.*/g, '');
}

/** The enumerators of an enum of wire.h: name without k, in lower camel case, to number. */
function enumerators(name: string): Record<string, number> {
  let next = 0;
  const out: Record<string, number> = {};
  for (const [, key, value] of body(name).matchAll(/k(\w+)\s*(?:=\s*(\d+))?/g)) {
    next = value === undefined ? next : Number(value);
    out[key![0]!.toLowerCase() + key!.slice(1)] = next;
    next += 1;
  }
  return out;
}

describe('the layout of wire.h', () => {
  it('has the same kinds, effects and tags', () => {
    expect(enumerators('Kind')).toEqual(KIND);
    expect(enumerators('Effect')).toEqual(EFFECT);
    expect(enumerators('Tag')).toEqual(TAG);
  });

  it('has the same operations and layers', () => {
    const { count, ...operations } = enumerators('Op');
    expect(count).toBe(OPERATIONS.length);
    expect(operations).toEqual(Object.fromEntries(OPERATIONS.map((operation, i) => [operation, i])));
    for (const [layer, index] of Object.entries(enumerators('Layer'))) expect(LAYERS[index]).toBe(layer);
  });

  it('gives every reason of the hook a text', () => {
    const reasons = Object.values(enumerators('Reason'));
    expect(reasons).toEqual(HOOK_REASONS.map((_, i) => i));
    expect(HOOK_REASONS.slice(1).every((text) => text.length > 10)).toBe(true);
  });

  it('has the same offsets in a record', () => {
    const sizes: Record<string, number> = { uint64_t: 8, uint32_t: 4, uint16_t: 2, uint8_t: 1 };
    Object.assign(sizes, { Kind: 2, Effect: 1, Layer: 1, Reason: 2 });
    let at = 0;
    const offsets: Record<string, number> = {};
    for (const [, type, name] of body('RecordHeader').matchAll(/(\w+)\s+(\w+);/g)) {
      offsets[name!] = at;
      at += sizes[type!]!;
    }
    const { reserved, ...known } = offsets;
    expect(at).toBe(64);
    expect(reserved).toBe(60);
    expect(known).toEqual(RECORD);
  });

  it('has the same header', () => {
    expect(BigInt(/kJournalMagic = (0x\w+)ull/.exec(WIRE)![1]!)).toBe(JOURNAL_MAGIC);
    expect(Buffer.from('PCJOURN1').readBigUInt64LE()).toBe(JOURNAL_MAGIC);
    expect(Number(/kJournalHeader = (\d+)/.exec(WIRE)![1])).toBe(JOURNAL_HEADER);
    expect(Number(/kNoRule = (0x\w+)/.exec(WIRE)![1])).toBe(NO_RULE);
    for (const [, at, name] of WIRE.matchAll(/@(\d+)\s+u64 (\w+)/g))
      expect(HEADER[name === 'next_n' ? 'nextN' : (name as 'magic')]).toBe(Number(at));
  });
});

const path: RecordFields = {
  fields: [
    [TAG.exe, '/bin/sh'],
    [TAG.path, '/work/a b'],
  ],
};

describe('decoding', () => {
  it('reads each kind of object', () => {
    const { entries, lastN } = decode(
      Buffer.concat([
        encode({ ...path, n: 1, also: 0b1 }),
        encode({
          n: 2,
          op: 'rename',
          fields: [
            [TAG.exe, 'e'],
            [TAG.path, '/a'],
            [TAG.to, '/b'],
          ],
        }),
        encode({
          n: 3,
          op: 'exec',
          fields: [
            [TAG.exe, 'e'],
            [TAG.path, '/s'],
            [TAG.argv, 's\0\0x\0'],
            [TAG.interpreter, '/bin/sh'],
            [TAG.interpreterArgv, 'sh\0/s\0'],
          ],
        }),
        encode({
          n: 4,
          op: 'connect',
          detail: 443,
          fields: [
            [TAG.exe, 'e'],
            [TAG.address, Buffer.from('0100000000000000000000ffff7f000001', 'hex')],
          ],
        }),
        encode({
          n: 5,
          op: 'bind',
          fields: [
            [TAG.exe, 'e'],
            [TAG.unix, '@x'],
          ],
        }),
        encode({
          n: 6,
          op: 'signal',
          detail: 99,
          fields: [
            [TAG.exe, 'e'],
            [TAG.path, '/bin/cat'],
          ],
        }),
      ]),
    );
    expect(lastN).toBe(6);
    expect(entries.map((entry) => entry.kind === 'decided' && entry.event.object)).toEqual([
      { kind: 'path', path: '/work/a b' },
      { kind: 'path', path: '/a', to: '/b' },
      {
        kind: 'program',
        path: '/s',
        argv: ['s', '', 'x'],
        interpreter: { path: '/bin/sh', argv: ['sh', '/s'] },
      },
      { kind: 'address', protocol: 'udp', address: '00000000000000000000ffff7f000001', port: 443 },
      { kind: 'unix', path: '@x' },
      { kind: 'process', pid: 99, path: '/bin/cat' },
    ]);
    expect(entries[0]).toMatchObject({ verdict: 'allow', layer: 'policy', rule: null, enforced: true });
    expect(entries[0]).toMatchObject({
      event: { operation: 'write', also: ['read'], received: 10, deadline: 30 },
    });
  });

  it('reads reviews, counts and the hook’s own reasons', () => {
    const { entries } = decode(
      Buffer.concat([
        encode({ ...path, n: 1, kind: KIND.review, rule: 3 }),
        encode({ kind: KIND.counted, n: 0, rule: 5, fields: [[TAG.exe, '/bin/cat']] }),
        encode({ ...path, n: 2, effect: EFFECT.deny, layer: 0, reason: 3 }),
        Buffer.from([16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), // padding
      ]),
    );
    expect(entries).toMatchObject([
      { kind: 'review', rule: 3, event: { n: 1 } },
      { kind: 'counted', exe: '/bin/cat', pid: 42, rule: 5 },
      { kind: 'decided', verdict: 'deny', layer: 'hook', reason: HOOK_REASONS[3] },
    ]);
  });

  it('reads any bytes in a path as model/bytes.ts does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        const [entry] = decode(
          encode({
            ...path,
            fields: [
              [TAG.exe, 'e'],
              [TAG.path, bytes],
            ],
          }),
        ).entries;
        expect(entry).toMatchObject({ event: { object: { path: toText(bytes) } } });
      }),
    );
  });

  it('throws a JournalError, and nothing else, on any damage it notices', () => {
    const honest = Buffer.concat([encode({ ...path, n: 1 }), encode({ ...path, n: 2, op: 'rename' })]);
    fc.assert(
      fc.property(fc.nat(honest.length - 1), fc.nat(255), fc.nat(honest.length), (at, byte, cut) => {
        const damaged = Buffer.from(honest.subarray(0, cut));
        if (at < cut) damaged[at] = byte;
        try {
          decode(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(JournalError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a dead journal', () => {
  const records = [1, 2, 3].map((n) => encode({ ...path, n }));

  it('gives what lies between tail and head, also around the end of the ring', () => {
    const all = decodeDeadJournal(ringFile({ capacity: 1024, tail: 0, records }));
    expect(all.entries.length).toBe(3);
    expect(all.lastN).toBe(3);
    const around = decodeDeadJournal(
      ringFile({ capacity: 1024, tail: 10 * 1024 - records[0]!.length, records }),
    );
    expect(around).toEqual(all);
  });

  it.each<[string, RegExp, (file: Buffer) => Buffer | number]>([
    ['another magic', /PCJOURN1/, (f) => f.write('X', 0)],
    ['a head beyond the ring', /do not fit/, (f) => f.writeBigUInt64LE(1n << 40n, HEADER.head)],
    ['a tail beyond the head', /do not fit/, (f) => f.writeBigUInt64LE(8000n, HEADER.tail)],
    ['a capacity that is no power of two', /capacity/, (f) => f.writeBigUInt64LE(1000n, HEADER.capacity)],
    ['a ring cut short', /capacity/, (f) => f.subarray(0, 4600)],
    ['a header cut short', /shorter/, (f) => f.subarray(0, 100)],
    ['a record of size 0', /size 0/, (f) => f.writeUInt32LE(0, JOURNAL_HEADER)],
  ])('refuses %s', (_, message, damage) => {
    const honest = ringFile({ capacity: 1024, tail: 0, records });
    const changed = damage(honest);
    const file = typeof changed === 'number' ? honest : changed;
    expect(() => decodeDeadJournal(file)).toThrow(JournalError);
    expect(() => decodeDeadJournal(file)).toThrow(message);
  });

  it('that was never set up holds nothing', () => {
    expect(decodeDeadJournal(new Uint8Array(0)).entries).toEqual([]);
    expect(decodeDeadJournal(new Uint8Array(8192)).entries).toEqual([]);
  });

  it('gives its sound beginning where damage is expected', () => {
    const file = ringFile({ capacity: 1024, tail: 0, records });
    file.fill(0xff, JOURNAL_HEADER + records[0]!.length, JOURNAL_HEADER + records[0]!.length + 64);
    const seen: JournalError[] = [];
    expect(decodeDeadJournal(file, (error) => seen.push(error)).entries.length).toBe(1);
    expect(seen.length).toBe(1);
  });
});
