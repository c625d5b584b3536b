/** The journal's writer, read back by the monitor's reader: nothing lost, nothing torn, nothing out of order. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, HEADER, readDeadJournal } from '../../monitor/journal.ts';
import { buildDriver, encodeEvents, inScratch } from './driver.ts';
import { event } from './events.ts';

const driver = buildDriver();
const SMALLEST = 65536;

describe('the journal', () => {
  it('carries every shape of event to the reader, many times round the ring', async () => {
    const events = fc.sample(event, { numRuns: 5000, seed: 11 });
    await inScratch((folder) => {
      const ran = spawnSync(driver, ['journal', join(folder, 'ring'), `${SMALLEST}`], {
        input: encodeEvents(events),
        maxBuffer: 1 << 26,
      });
      expect(ran.stderr.toString()).toBe('');
      expect(ran.stdout.length).toBeGreaterThan(5 * SMALLEST);
      const { entries, lastN } = decode(ran.stdout);
      expect(lastN).toBe(events.length);
      entries.forEach((entry, i) => {
        if (entry.kind !== 'decided') throw new Error(`entry ${i} is ${entry.kind}`);
        const { n, operation, also, object, subject } = entry.event;
        expect(n).toBe(i + 1);
        const order = (all: readonly string[]) => [...all].sort();
        expect({ operation, also: order(also), object, subject }).toEqual({
          ...events[i]!,
          also: order(events[i]!.also),
        });
      });
    });
  });

  it.each([40, 90, 160])('is whole after a SIGKILL in the middle of it (%i ms)', async (delay) => {
    await inScratch(async (folder) => {
      const file = join(folder, 'ring');
      const child = spawn(driver, ['flood', file, `${SMALLEST}`]);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill('SIGKILL');
      await ended;
      const { entries, lastN } = readDeadJournal(file);
      const numbers = entries.map((entry) => (entry.kind === 'counted' ? 0 : entry.event.n));
      expect(numbers.length).toBeGreaterThan(0);
      expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i));
      // The number may have been given out a moment before its record became visible, and only then.
      const given = Number(readFileSync(file).readBigUInt64LE(HEADER.nextN));
      expect(given - lastN).toBeLessThanOrEqual(1);
    });
  });

  it('says that it is full, and overwrites nothing', async () => {
    await inScratch((folder) => {
      const file = join(folder, 'ring');
      const ran = spawnSync(driver, ['fill', file, `${SMALLEST}`], { encoding: 'utf8' });
      const { entries, lastN } = readDeadJournal(file);
      expect(entries).toHaveLength(Number(ran.stdout));
      expect(lastN).toBe(entries.length);
      expect(entries.length).toBeGreaterThan(100);
    });
  });

  it('is its owner’s alone', async () => {
    await inScratch((folder) => {
      const file = join(folder, 'ring');
      spawnSync(driver, ['fill', file, `${SMALLEST}`]);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    });
  });

  it.each([
    [
      'a full disk',
      'ulimit -f 32; trap "" XFSZ; exec "$0" fill "$1/ring" 65536',
      /cannot reserve .*ring: File too large/,
    ],
    ['a file that is there already', 'exec "$0" fill "$1/there" 65536', /cannot create .*there: File exists/],
    ['a missing folder', 'exec "$0" fill "$1/no/ring" 65536', /cannot create .*: No such file/],
    ['a size that is no power of two', 'exec "$0" fill "$1/ring" 100000', /cannot size .*: Invalid argument/],
  ])('refuses %s with a sentence', async (_name, script, message) => {
    await inScratch((folder) => {
      writeFileSync(join(folder, 'there'), '');
      const ran = spawnSync('bash', ['-c', script, driver, folder], { encoding: 'utf8' });
      expect(ran.status).toBe(2);
      expect(ran.stderr).toMatch(message);
    });
  });
});
