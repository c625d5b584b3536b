/**
 * P5, the journal: what a hook writes into the ring is what the monitor reads, entry for entry and byte for
 * byte of every name; and a ring that was damaged gives an error and never a wrong kind of failure.
 */
import fc from 'fast-check';
import type { HookEntry } from '../monitor/hook.ts';
import { decode, decodeDeadJournal, JournalError } from '../monitor/journal.ts';
import { must, property } from './check.ts';
import { encode, ringFile } from './journal-writer.ts';
import { attempt } from './universe.ts';

const rule = fc.option(fc.nat({ max: 2000 }));
const event = fc
  .record({ attempt, n: fc.integer({ min: 1, max: 1e9 }), at: fc.integer({ min: 1, max: 1e15 }) })
  .map(({ attempt, n, at }) => ({ ...attempt, n, received: at, deadline: at + 4e9 }));
const entry: fc.Arbitrary<HookEntry> = fc.oneof(
  fc.record({ kind: fc.constant('review' as const), event, rule }),
  fc.record({
    kind: fc.constant('counted' as const),
    exe: fc.constantFrom('/a', '/\udcff'),
    pid: fc.nat(9),
    rule,
  }),
  fc
    .record({
      event,
      verdict: fc.constantFrom('allow' as const, 'deny' as const),
      rule,
      enforced: fc.boolean(),
    })
    .map((decided) => ({
      kind: 'decided' as const,
      layer: 'policy' as const,
      answered: decided.event.received,
      ...decided,
    })),
);

interface Case {
  readonly entries: readonly HookEntry[];
  /** Bytes of the ring file to overwrite: position and value. */
  readonly damage: readonly { readonly at: number; readonly value: number }[];
}

export const theJournalReaderAgreesWithItsWriter = property<Case>({
  name: 'the-journal-reader-agrees-with-its-writer',
  sentence:
    'every entry that a hook writes to the journal is read back the same, and damage gives a clear error',
  promise: 'P5',
  cases: fc.record({
    entries: fc.array(entry, { maxLength: 8 }),
    damage: fc.array(fc.record({ at: fc.nat({ max: 6000 }), value: fc.nat({ max: 255 }) }), { maxLength: 4 }),
  }),
  weight: 3,
  holds: ({ entries, damage }) => {
    const records = entries.map(encode);
    const plain = JSON.stringify(entries.map(sorted));
    must(
      JSON.stringify(decode(Buffer.concat(records)).entries.map(sorted)) === plain,
      () => 'records read otherwise',
    );
    const lastN = entries.reduce((most, one) => Math.max(most, one.kind === 'counted' ? 0 : one.event.n), 0);
    const ring = ringFile(records, lastN);
    must(
      JSON.stringify(decodeDeadJournal(ring).entries.map(sorted)) === plain,
      () => 'the ring read otherwise',
    );
    for (const { at, value } of damage) ring[at] = value;
    try {
      decodeDeadJournal(ring);
    } catch (error) {
      must(error instanceof JournalError, () => `damage gave ${String(error)}`);
    }
  },
});

/** The same value with its keys in one order, however deep. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, sorted(field)]),
  );
}
