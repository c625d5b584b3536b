/** Whatever is done to a trail shows, with the place. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLine, seal } from '../../monitor/audit/line.ts';
import type { Payload } from '../../monitor/audit/record.ts';
import { verifyTrail } from '../../monitor/audit/verify.ts';
import { decision, end, review, start, verdict, verifyAfter, written } from './fixtures.ts';

const HONEST: Payload[] = [
  start(),
  decision(1),
  review(2),
  decision(3, 'deny'),
  verdict(2, 'deny'),
  { kind: 'reads', exe: '/bin/cat', pid: 7, rule: 'r', count: 12 },
  decision(4),
  end({ events: 4, counted: 12 }),
];

/** The line with its payload changed and its own hash made right again. */
function rehashed(line: string, change: (payload: Payload) => unknown): string {
  const parsed = parseLine(Buffer.from(line));
  if (typeof parsed === 'string') throw new Error(parsed);
  const { record } = parsed;
  return seal({ ...record, payload: change(record.payload as Payload) as Payload }).text;
}

const swap = (lines: string[], i: number, k: number): string[] =>
  lines.map((line, at) => (at === i ? lines[k]! : at === k ? lines[i]! : line));

describe('verify', () => {
  it('finds an honest trail intact', async () => {
    const found = verifyTrail(await written(HONEST));
    expect(found).toMatchObject({ ok: true, records: 8, runs: 1, closed: true, pending: 0, problem: null });
  });

  it.each<[string, number, RegExp, (lines: string[]) => string[]]>([
    [
      'an edited verdict',
      4,
      /edited/,
      (l) => l.map((x) => x.replace('"verdict":"deny"', '"verdict":"allow"')),
    ],
    ['an edited rule', 2, /edited/, (l) => l.map((x) => x.replace('some-rule', 'another'))],
    ['an edited time', 3, /edited/, (l) => l.with(2, l[2]!.replace('"time":"2', '"time":"3'))],
    ['a space added', 3, /canonical/, (l) => l.with(2, l[2]!.replace('"payload":', '"payload": '))],
    ['a field added', 3, /canonical/, (l) => l.with(2, l[2]!.replace('"seq":', '"more":1,"seq":'))],
    ['a dropped record', 3, /record 3 is missing/, (l) => l.toSpliced(2, 1)],
    ['several dropped records', 2, /records 2 to 4 are missing/, (l) => l.toSpliced(1, 3)],
    ['the beginning cut off', 1, /missing/, (l) => l.slice(1)],
    ['two records swapped', 2, /missing|moved/, (l) => swap(l, 1, 2)],
    ['a record repeated', 3, /repeated/, (l) => l.toSpliced(2, 0, l[1]!)],
    [
      'a foreign record inserted',
      3,
      /inserted/,
      (l) =>
        l.toSpliced(
          2,
          0,
          rehashed(l[1]!, () => decision(9)),
        ),
    ],
    ['an empty line', 3, /canonical/, (l) => l.toSpliced(2, 0, '')],
    [
      'one record re-hashed',
      3,
      /not chained to the record 2/,
      (l) =>
        l.with(
          1,
          rehashed(l[1]!, () => decision(1, 'deny')),
        ),
    ],
  ])('shows %s', async (_, line, what, change) => {
    const store = await written(HONEST);
    const { ok, problem } = verifyAfter(store, change);
    expect(ok).toBe(false);
    expect(problem?.what).toMatch(what);
    expect(problem).toMatchObject({ file: store.name(1), line, kind: 'bad' });
  });

  it('shows a middle segment removed, and the first', async () => {
    const many = [start(), ...Array.from({ length: 30 }, (_, i) => decision(i + 1)), end()];
    for (const gone of [1, 2]) {
      const store = await written(many, 4096);
      expect(store.segments().length).toBeGreaterThan(3);
      expect(verifyTrail(store).ok).toBe(true);
      rmSync(store.name(gone));
      expect(verifyTrail(store).problem?.what).toMatch(/segment is missing/);
    }
  });

  it('shows a middle segment cut short, within a record and between two', async () => {
    const many = [start(), ...Array.from({ length: 30 }, (_, i) => decision(i + 1)), end()];
    for (const cut of [10, null]) {
      const store = await written(many, 4096);
      const text = readFileSync(store.name(2), 'utf8');
      const at = cut === null ? text.lastIndexOf('\n', text.length - 2) + 1 : text.length - cut;
      writeFileSync(store.name(2), text.slice(0, at));
      expect(verifyTrail(store)).toMatchObject({ ok: false, problem: { kind: 'bad' } });
    }
  });

  it.each<[string, RegExp, Payload[]]>([
    ['a second verdict', /second verdict for event 1/, [start(), review(1), verdict(1), verdict(1)]],
    ['a verdict without review', /never put up for review/, [start(), verdict(1)]],
    ['a review without verdict at the end', /event 1 never got a verdict/, [start(), review(1), end()]],
    ['an event recorded twice', /event 1 is recorded twice/, [start(), decision(1), decision(1)]],
    ['counters that disagree', /events = 2, the trail holds 1/, [start(), decision(1), end({ events: 2 })]],
    ['records outside a run', /outside a run/, [start(), end(), decision(1)]],
    ['a run within a run', /before the one before it ended/, [start(), start()]],
    [
      'late without an allow',
      /no recorded allow/,
      [start(), review(1), verdict(1, 'deny'), { kind: 'late', n: 1 }],
    ],
  ])('shows %s even where the chain is sound', async (_, what, payloads) => {
    expect(verifyTrail(await written(payloads)).problem?.what).toMatch(what);
  });

  it('calls a run that has not ended open, not wrong', async () => {
    const found = verifyTrail(await written([start(), review(1)]));
    expect(found).toMatchObject({ ok: true, closed: false, pending: 1 });
  });

  it('shows any change of any byte', async () => {
    const store = await written(HONEST);
    const honest = readFileSync(store.name(1));
    fc.assert(
      fc.property(fc.nat(honest.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(honest);
        changed[at]! ^= flip;
        writeFileSync(store.name(1), changed);
        expect(verifyTrail(store).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
