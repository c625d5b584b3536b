/**
 * P6, audit integrity: whatever is done to the bytes of a trail, verification notices: edits, drops, swaps,
 * insertions, truncation in the middle, a line sealed anew. One thing it cannot notice without a hash kept
 * elsewhere, and the property leaves it out: whole records cut off the very end.
 */
import fc from 'fast-check';
import { parseLine, seal } from '../monitor/audit/line.ts';
import { verifyTrail } from '../monitor/audit/verify.ts';
import { must, property } from './check.ts';
import { MemoryStore } from './memory-store.ts';
import { calm, type Scenario, scenarios, showScenario } from './scenario.ts';
import { interleaving, runScenario } from './world.ts';

/** Positions are fractions, 0 ≤ x < 1, of the trail's bytes or lines. */
type Tampering =
  | { readonly how: 'flip'; readonly at: number; readonly bit: number }
  | { readonly how: 'cut'; readonly at: number; readonly bytes: number }
  | { readonly how: 'insert'; readonly at: number; readonly text: string }
  | { readonly how: 'drop' | 'repeat' | 'reseal'; readonly line: number }
  | { readonly how: 'edit'; readonly line: number; readonly field: string }
  | { readonly how: 'swap'; readonly line: number; readonly other: number };

/** Fields that a forger would like to change, and to what. */
const FIELDS: Readonly<Record<string, [RegExp, string]>> = {
  verdict: [/"verdict":"(?:allow|deny)"/, '"verdict":"VERDICT"'],
  rule: [/"rule":(?:null|"[^"]*")/, '"rule":"another"'],
  layer: [/"layer":"[a-z]+"/, '"layer":"schema"'],
  reason: [/"reason":"[^"]*"/, '"reason":"none"'],
  operation: [/"operation":"[a-z]+"/, '"operation":"truncate"'],
  mono: [/"mono":\d+/, '"mono":1'],
  time: [/"time":"20\d\d/, '"time":"1999'],
};

const position = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1000);

const tampering: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ how: fc.constant('flip' as const), at: position, bit: fc.nat({ max: 7 }) }),
  fc.record({ how: fc.constant('cut' as const), at: position, bytes: fc.integer({ min: 1, max: 400 }) }),
  fc.record({
    how: fc.constant('insert' as const),
    at: position,
    text: fc.constantFrom(' ', '\n', '0', '{}\n'),
  }),
  fc.record({ how: fc.constantFrom('drop' as const, 'repeat' as const, 'reseal' as const), line: position }),
  fc.record({
    how: fc.constant('edit' as const),
    line: position,
    field: fc.constantFrom(...Object.keys(FIELDS)),
  }),
  fc.record({ how: fc.constant('swap' as const), line: position, other: position }),
);

interface Case {
  readonly scenario: Scenario;
  readonly interleaving: number;
  readonly tamperings: readonly Tampering[];
}

export const tamperingIsDetected = property<Case>({
  name: 'tampering-is-detected',
  sentence: 'edits, drops, swaps, insertions and truncations of the trail are detected',
  promise: 'P6',
  cases: fc.record({
    scenario: scenarios({ ...calm, segmentBytes: fc.constant(64 << 20) }),
    interleaving,
    tamperings: fc.array(tampering, { minLength: 1, maxLength: 12 }),
  }),
  holds: async ({ scenario, interleaving, tamperings }) => {
    const { written } = await runScenario(scenario, interleaving);
    const good = Buffer.from(written[0]!);
    const verification = verifyTrail(MemoryStore.of([good]));
    must(
      verification.ok && verification.closed,
      () => `the trail does not verify: ${verification.problem?.what}`,
    );
    for (const one of tamperings) {
      const bad = tamper(good, one);
      if (bad.equals(good) || isCutAtTheEnd(good, bad)) continue;
      const found = verifyTrail(MemoryStore.of([bad]));
      must(!found.ok, () => `${JSON.stringify(one)} went unnoticed`);
    }
  },
  show: ({ scenario, tamperings }) =>
    `${showScenario(scenario)}\n${tamperings.map((one) => JSON.stringify(one)).join('\n')}`,
});

/** The bytes after the tampering. */
function tamper(good: Buffer, tampering: Tampering): Buffer {
  if ('at' in tampering) return tamperBytes(good, tampering);
  const lines = good.toString('latin1').split('\n').slice(0, -1);
  const index = Math.floor(tampering.line * lines.length);
  const line = lines[index]!;
  switch (tampering.how) {
    case 'drop':
      lines.splice(index, 1);
      break;
    case 'repeat':
      lines.splice(index, 0, line);
      break;
    case 'reseal':
      lines[index] = resealed(line);
      break;
    case 'edit': {
      const [field, forged] = FIELDS[tampering.field]!;
      lines[index] = line.replace(field, (text) =>
        forged.replace('VERDICT', text.includes('allow') ? 'deny' : 'allow'),
      );
      break;
    }
    case 'swap': {
      const other = Math.floor(tampering.other * lines.length);
      lines[index] = lines[other]!;
      lines[other] = line;
    }
  }
  return Buffer.from(lines.map((text) => `${text}\n`).join(''), 'latin1');
}

function tamperBytes(good: Buffer, tampering: Extract<Tampering, { at: number }>): Buffer {
  const at = Math.floor(tampering.at * good.length);
  const [before, after] = [good.subarray(0, at), good.subarray(at)];
  switch (tampering.how) {
    case 'flip': {
      const bytes = Buffer.from(good);
      bytes[at] = bytes[at]! ^ (1 << tampering.bit);
      return bytes;
    }
    case 'cut':
      return Buffer.concat([before, after.subarray(tampering.bytes)]);
    case 'insert':
      return Buffer.concat([before, Buffer.from(tampering.text), after]);
  }
}

/** The line with another content under a right hash of its own, as one would who knows how records are sealed;
 * the records after it still hold the old hash. The last line is left alone: nothing holds its hash. */
function resealed(line: string): string {
  const parsed = parseLine(Buffer.from(line, 'latin1'));
  if (typeof parsed === 'string' || parsed.record.payload.kind === 'end') return line;
  const { hash: _, ...fields } = parsed.record;
  return Buffer.from(seal({ ...fields, mono: fields.mono + 1 }).text).toString('latin1');
}

/** Whole records missing at the very end, and nothing else. */
const isCutAtTheEnd = (good: Buffer, bad: Buffer): boolean =>
  bad.length < good.length &&
  good.subarray(0, bad.length).equals(bad) &&
  (bad.length === 0 || bad.at(-1) === 10);
