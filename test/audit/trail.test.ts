/** The trail as a file: group commit, rotation, errors that are final, large arguments. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WHOLE_BYTES } from '../../monitor/audit/abridge.ts';
import type { Payload } from '../../monitor/audit/record.ts';
import { FolderStore, type TrailFile, type TrailStore } from '../../monitor/audit/store.ts';
import { FileTrail, TrailError } from '../../monitor/audit/trail.ts';
import { verifyTrail } from '../../monitor/audit/verify.ts';
import { type Clock, hostClock } from '../../monitor/clock.ts';
import { decision, end, event, scratch, start, written } from './fixtures.ts';

/** A store whose one file does as it is told. `syncs` holds the flushes under way. */
class PuppetStore implements TrailStore {
  readonly lines: string[] = [];
  readonly syncs: { finish: () => void; fail: (error: Error) => void }[] = [];
  full = false;

  segments = (): number[] => [];
  name = (segment: number): string => `${segment}`;
  *read(): Iterable<Uint8Array> {}
  reopen = (): TrailFile => this.create();
  create = (): TrailFile => ({
    append: (bytes) => {
      if (this.full)
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      this.lines.push(Buffer.from(bytes).toString());
    },
    sync: () => new Promise((finish, fail) => void this.syncs.push({ finish, fail })),
    close: async () => {},
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the trail', () => {
  it('has written a record when append returns', async () => {
    const store = new FolderStore(scratch());
    const trail = new FileTrail({ store, clock: hostClock });
    expect(trail.append(start())).toBe(1);
    expect(readFileSync(store.name(1), 'utf8').split('\n').length).toBe(2);
    expect(statSync(store.name(1)).mode & 0o777).toBe(0o600);
    await trail.close();
  });

  it('flushes once for all who wait, and again for those who came meanwhile', async () => {
    const store = new PuppetStore();
    const trail = new FileTrail({ store, clock: hostClock });
    const done: string[] = [];
    trail.append(start());
    void trail.sync().then(() => done.push('a'));
    trail.append(decision(1));
    void trail.sync().then(() => done.push('b'));
    await turn();
    expect(store.syncs.length).toBe(1);
    trail.append(decision(2));
    void trail.sync().then(() => done.push('c'));
    await turn();
    expect([store.syncs.length, done.length]).toEqual([1, 0]);
    store.syncs[0]!.finish();
    await turn();
    expect(done).toEqual(['a', 'b']);
    expect(store.syncs.length).toBe(2);
    store.syncs[1]!.finish();
    await turn();
    expect(done).toEqual(['a', 'b', 'c']);
    await trail.close();
  });

  it('starts a flush by itself within its bound, though nobody asks', async () => {
    const store = new PuppetStore();
    const timers: { at: number; run: () => void }[] = [];
    const clock: Clock = {
      now: () => 1000,
      wall: () => 0,
      schedule(at, run) {
        timers.push({ at, run });
        return () => {};
      },
    };
    const trail = new FileTrail({ store, clock, syncWithin: 50e6 });
    trail.append(start());
    trail.append(decision(1));
    expect(timers.map((timer) => timer.at)).toEqual([1000 + 50e6]);
    timers[0]!.run();
    await turn();
    expect(store.syncs.length).toBe(1);
  });

  it('is over at the first write that fails: nothing is written behind the gap', async () => {
    const store = new PuppetStore();
    const failures: TrailError[] = [];
    const trail = new FileTrail({ store, clock: hostClock, onFailure: (error) => failures.push(error) });
    trail.append(start());
    const waiting = trail.sync();
    await turn();
    store.full = true;
    expect(() => trail.append(decision(1))).toThrow(/no space left/);
    store.full = false;
    expect(() => trail.append(decision(1))).toThrow(TrailError);
    store.syncs[0]!.finish();
    await expect(waiting).rejects.toThrow(/no space left/);
    await expect(trail.sync()).rejects.toThrow(TrailError);
    await expect(trail.close()).rejects.toThrow(TrailError);
    expect(store.lines.length).toBe(1);
    expect(failures.length).toBe(1);
  });

  it('is over at the first flush that fails, for those who wait and for the next', async () => {
    const store = new PuppetStore();
    const trail = new FileTrail({ store, clock: hostClock });
    trail.append(start());
    const first = trail.sync();
    await turn();
    trail.append(decision(1));
    const second = trail.sync();
    store.syncs[0]!.fail(new Error('EIO: i/o error, fdatasync'));
    await expect(first).rejects.toThrow(/EIO/);
    await expect(second).rejects.toThrow(/EIO/);
    expect(() => trail.append(decision(2))).toThrow(/EIO/);
    expect(store.syncs.length).toBe(1);
  });

  it('chains across segments', async () => {
    const many = [start(), ...Array.from({ length: 40 }, (_, i) => decision(i + 1)), end({ events: 40 })];
    const store = await written(many, 4096);
    for (const segment of store.segments())
      expect(statSync(store.name(segment)).size).toBeLessThanOrEqual(4096);
    expect(verifyTrail(store)).toMatchObject({ ok: true, records: 42, segments: store.segments().length });
    expect(store.segments().length).toBeGreaterThan(3);
  });

  it('keeps syncing what it covers while segments turn over', async () => {
    const store = new PuppetStore();
    const trail = new FileTrail({ store, clock: hostClock, segmentBytes: 600 });
    trail.append(start());
    const first = trail.sync();
    await turn();
    for (let n = 1; n <= 3; n += 1) trail.append(decision(n));
    store.syncs[0]!.finish();
    await first;
    void trail.sync();
    for (let i = 1; i < 5; i += 1) {
      await turn();
      store.syncs[i]?.finish();
    }
    // The first segment again (retired meanwhile), each one between, and the last.
    expect(store.syncs.length).toBe(5);
  });

  it('refuses a payload that JSON cannot express', () => {
    const trail = new FileTrail({ store: new PuppetStore(), clock: hostClock });
    expect(() => trail.append({ ...end(), status: Number.NaN } as Payload)).toThrow(TrailError);
  });
});

describe('large argument lists', () => {
  const exec = (argv: string[]): Payload => ({
    ...decision(1),
    event: { ...event(1), operation: 'exec', object: { kind: 'program', path: '/bin/echo', argv } },
  });
  const argvOf = async (argv: string[]): Promise<unknown> => {
    const store = await written([start(), exec(argv)]);
    const line = JSON.parse(readFileSync(store.name(1), 'utf8').split('\n')[1]!);
    return line.payload.event.object.argv;
  };

  it('stand whole up to the limit', async () => {
    const argv = ['echo', 'x'.repeat(WHOLE_BYTES - 6)];
    expect(await argvOf(argv)).toEqual(argv);
  });

  it('are abridged beyond it, the digest telling them apart', async () => {
    const first = await argvOf(['echo', 'x'.repeat(WHOLE_BYTES)]);
    const second = await argvOf(['echo', `y${'x'.repeat(WHOLE_BYTES - 1)}`]);
    expect(first).toMatchObject({ head: ['echo'], count: 2, bytes: WHOLE_BYTES + 6 });
    expect(second).toMatchObject({ head: ['echo'], count: 2, bytes: WHOLE_BYTES + 6 });
    expect(first).not.toEqual(second);
  });

  it('count bytes that are not UTF-8 as one byte each', async () => {
    const argv = ['\udcff'.repeat(WHOLE_BYTES - 1)];
    expect(await argvOf(argv)).toEqual(argv);
  });
});

describe('a full disk', () => {
  it.skipIf(process.getuid?.() !== 0)(
    'ends the trail with a clear error (needs root for a tiny tmpfs)',
    async () => {
      const mount = join(scratch(), 'small');
      mkdirSync(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'none', mount]);
      try {
        const store = new FolderStore(join(mount, 'trail'));
        const trail = new FileTrail({ store, clock: hostClock });
        trail.append(start());
        let fine = 0;
        expect(() => {
          for (let n = 1; n < 1000; n += 1, fine += 1) trail.append(decision(n));
        }).toThrow(/no space left/);
        expect(fine).toBeGreaterThan(50);
        await expect(trail.sync()).rejects.toThrow(/no space left/);
        await trail.close().catch(() => {});
        const found = verifyTrail(store);
        expect(found.records).toBe(fine + 1);
        expect(found.problem?.kind ?? 'torn').toBe('torn');
      } finally {
        execFileSync('umount', [mount]);
        rmSync(mount, { recursive: true });
      }
    },
  );
});
