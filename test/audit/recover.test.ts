/** What a dead monitor leaves is chained, denied and told; what is damaged otherwise refuses. */
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Payload } from '../../monitor/audit/record.ts';
import { DIED, type OpenOptions, openTrail } from '../../monitor/audit/recover.ts';
import { newScan } from '../../monitor/audit/scan.ts';
import { isEvent, rowsOf } from '../../monitor/audit/show.ts';
import { FolderStore } from '../../monitor/audit/store.ts';
import { TrailError } from '../../monitor/audit/trail.ts';
import { verifyTrail } from '../../monitor/audit/verify.ts';
import { hostClock } from '../../monitor/clock.ts';
import { HOOK_REASONS, KIND, TAG } from '../../monitor/journal.ts';
import { decision, end, review, scratch, start, verdict, written } from './fixtures.ts';
import { encode, ringFile } from './ring.ts';

const RULES = [{ id: 'first' }, { id: 'second', reason: 'as the policy says' }];

async function reopen(store: FolderStore, more: Partial<OpenOptions> = {}) {
  const opened = await openTrail({ store, clock: hostClock, rules: RULES, boot: 'boot-1', ...more });
  await opened.trail.close();
  return opened.recovery;
}

const payloads = (store: FolderStore): Payload[] =>
  store.segments().flatMap((segment) =>
    readFileSync(store.name(segment), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).payload),
  );

const ring = (...records: Buffer[]): Buffer => ringFile({ capacity: 4096, tail: 0, records });
const record = (n: number, more: object = {}): Buffer =>
  encode({
    n,
    fields: [
      [TAG.exe, '/bin/sh'],
      [TAG.path, `/work/${n}`],
    ],
    ...more,
  });

describe('opening a trail', () => {
  it('makes a new one without a word of recovery', async () => {
    const store = new FolderStore(scratch());
    expect(await reopen(store)).toBeNull();
    expect(verifyTrail(store).records).toBe(0);
  });

  it('continues one that ended properly', async () => {
    const store = await written([start(), decision(1), end()]);
    const { trail, recovery } = await openTrail({ store, clock: hostClock });
    trail.append(start());
    await trail.close();
    expect(recovery).toBeNull();
    expect(verifyTrail(store)).toMatchObject({ ok: true, records: 4, runs: 2 });
  });

  it('denies every review that never got a verdict', async () => {
    const store = await written([start(), review(1), review(2), verdict(1), review(3)]);
    expect(await reopen(store)).toEqual({ cutBytes: 0, fromJournal: 0, deniedPending: [2, 3] });
    const rows = [...rowsOf(store, newScan())].filter(isEvent);
    expect(rows.map((row) => [row.n, row.verdict, row.layer])).toEqual([
      [1, 'allow', 'reviewer'],
      [2, 'deny', 'monitor'],
      [3, 'deny', 'monitor'],
    ]);
    expect(rows[2]!.reason).toBe(DIED);
    expect(verifyTrail(store)).toMatchObject({ ok: true, closed: true });
  });

  it('chains from the journal what the trail does not hold, each event once', async () => {
    const store = await written([start(), decision(1), review(2)]);
    const counted = encode({ kind: KIND.counted, n: 0, rule: 0, fields: [[TAG.exe, '/bin/cat']] });
    const journal = ring(
      record(1),
      counted, // before an event that the trail knows, and still in the journal: not yet recorded
      record(2, { kind: KIND.review }),
      counted,
      record(3, { rule: 1, effect: 2 }),
      counted,
      record(4, { kind: KIND.review, rule: 0 }),
      record(5, { effect: 2, layer: 0, reason: 2 }),
    );
    expect(await reopen(store, { journal })).toEqual({ cutBytes: 0, fromJournal: 6, deniedPending: [2, 4] });
    expect(payloads(store).slice(3)).toMatchObject([
      { kind: 'decision', event: { n: 3 }, verdict: 'deny', rule: 'second', reason: 'as the policy says' },
      { kind: 'review', event: { n: 4 }, rule: 'first' },
      { kind: 'decision', event: { n: 5 }, layer: 'hook', rule: null, reason: HOOK_REASONS[2] },
      { kind: 'reads', exe: '/bin/cat', rule: 'first', count: 3 },
      { kind: 'verdict', n: 2, verdict: 'deny' },
      { kind: 'verdict', n: 4, verdict: 'deny' },
      { kind: 'recovered', cut_bytes: 0, from_journal: 6, denied_pending: [2, 4] },
    ]);
    expect(verifyTrail(store)).toMatchObject({ ok: true, closed: true, pending: 0 });
    expect(await reopen(store, { journal })).toBeNull();
  });

  it('cuts a torn last record wherever it was torn, and says so', async () => {
    const last = JSON.stringify({}).length;
    for (const keep of [1, 20, last + 100]) {
      const store = await written([start(), decision(1), decision(2)]);
      const text = readFileSync(store.name(1), 'utf8');
      const from = text.lastIndexOf('\n', text.length - 2) + 1;
      truncateSync(store.name(1), from + keep);
      expect(verifyTrail(store).problem).toMatchObject({ kind: 'torn', line: 3 });
      expect((await reopen(store))?.cutBytes).toBe(keep);
      expect(payloads(store).at(-1)).toMatchObject({ kind: 'recovered', cut_bytes: keep });
      expect(verifyTrail(store)).toMatchObject({ ok: true, records: 3 });
    }
  });

  it('gets the torn event back from the journal', async () => {
    const store = await written([start(), decision(1)]);
    const text = readFileSync(store.name(1), 'utf8');
    truncateSync(store.name(1), text.length - 9);
    await reopen(store, { journal: ring(record(1)) });
    expect(payloads(store)[1]).toMatchObject({ kind: 'decision', event: { n: 1 }, rule: null });
  });

  it('finishes a recovery that was itself cut off, at any record', async () => {
    const journal = ring(record(3), record(4, { kind: KIND.review }));
    const make = () => written([start(), decision(1), review(2)]);
    const whole = await make();
    await reopen(whole, { journal });
    const lines = readFileSync(whole.name(1), 'utf8').split('\n');
    for (let kept = 3; kept < lines.length - 1; kept += 1) {
      const store = await make();
      writeFileSync(store.name(1), `${lines.slice(0, kept).join('\n')}\n{"hash":"torn`);
      await reopen(store, { journal });
      const events = payloads(store).flatMap((p) =>
        p.kind === 'decision' || p.kind === 'review' ? p.event.n : [],
      );
      expect(events).toEqual([1, 2, 3, 4]);
      expect(verifyTrail(store)).toMatchObject({ ok: true, closed: true });
    }
  });

  it('refuses a bad record anywhere else, saying where and why, and changes nothing', async () => {
    const store = await written([start(), decision(1), decision(2)]);
    const changed = readFileSync(store.name(1), 'utf8').replace('/work/file-1', '/work/file-9');
    writeFileSync(store.name(1), changed);
    await expect(reopen(store)).rejects.toThrow(TrailError);
    await expect(reopen(store)).rejects.toThrow(/000001\.jsonl:2: edited/);
    appendFileSync(store.name(1), 'torn as well');
    await expect(reopen(store)).rejects.toThrow(/000001\.jsonl:2: edited/);
    expect(readFileSync(store.name(1), 'utf8')).toBe(`${changed}torn as well`);
  });

  it('refuses a damaged journal of the same boot; takes its sound beginning after another', async () => {
    const journal = ring(record(1), record(2));
    journal.fill(0xff, 4096 + record(1).length);
    const store = await written([start()]);
    await expect(reopen(store, { journal })).rejects.toThrow(/journal cannot be read: record at byte/);
    expect((await reopen(store, { journal, boot: 'boot-2' }))?.fromJournal).toBe(1);
    expect(payloads(store).map((p) => p.kind)).toEqual(['start', 'decision', 'anomaly', 'recovered']);
  });

  it('ignores the journal of a run that ended properly', async () => {
    const store = await written([start(), decision(1), end()]);
    expect(await reopen(store, { journal: ring(record(7)) })).toBeNull();
  });
});
