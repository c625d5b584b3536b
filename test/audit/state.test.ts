/** State folders are private, whole and one monitor's at a time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStateTrail } from '../../monitor/audit/open.ts';
import { FolderStore } from '../../monitor/audit/store.ts';
import { verifyTrail } from '../../monitor/audit/verify.ts';
import { hostClock } from '../../monitor/clock.ts';
import { TAG } from '../../monitor/journal.ts';
import { newRunId, openState, type RunFacts, StateError, stateRoot } from '../../monitor/state.ts';
import { scratch, start } from './fixtures.ts';
import { encode, ringFile } from './ring.ts';

const facts = (run: string): RunFacts => ({
  run,
  created: '2026-01-01T00:00:00.000Z',
  version: '0',
  boot: 'boot-1',
  pid: 1,
  policy: { name: 'test', digest: '' },
  rules: [{ id: 'only' }],
});

describe('a state folder', () => {
  it('is made private, with everything in it', () => {
    const folder = join(scratch(), 'a/b/state');
    const state = openState({ folder, wall: 0 });
    state.describe(facts(state.id), 'version: 1\n');
    for (const path of [state.folder, state.trail]) expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const path of [state.run, state.policy, state.lock]) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(state.run, 'utf8'))).toEqual(facts(state.id));
    state.release();
    const again = openState({ folder, wall: 0 });
    expect(again.earlier).toEqual(facts(state.id));
    again.release();
  });

  it('has an id that sorts by time', () => {
    const ids = [0, 1, 1e12, 1.7e12].map(newRunId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(Array.from({ length: 50 }, () => newRunId(0))).size).toBe(50);
  });

  it('lies below XDG_STATE_HOME where that is absolute, else below the home folder', () => {
    expect(stateRoot({ XDG_STATE_HOME: '/s', HOME: '/h' })).toBe('/s/portcullis');
    expect(stateRoot({ XDG_STATE_HOME: 'relative', HOME: '/h' })).toBe('/h/.local/state/portcullis');
    expect(stateRoot({ HOME: '/h' })).toBe('/h/.local/state/portcullis');
  });

  const made = (folder: string, then: (folder: string) => void): void => {
    mkdirSync(folder);
    then(folder);
  };
  const refusals: [string, RegExp, (folder: string) => void][] = [
    ['a symbolic link', /symbolic link/, (f) => symlinkSync(scratch(), f)],
    ['a file', /not a folder/, (f) => writeFileSync(f, '')],
    ['a folder that others may write to', /chmod go-w/, (f) => made(f, () => chmodSync(f, 0o777))],
    ['a folder with other files', /no state/, (f) => made(f, () => writeFileSync(join(f, 'thesis.tex'), ''))],
    [
      'a folder with a linked part',
      /symbolic link/,
      (f) => made(f, () => symlinkSync('/etc/passwd', join(f, 'run.json'))),
    ],
    [
      'a folder with a broken run.json',
      /not what a run writes/,
      (f) => made(f, () => writeFileSync(join(f, 'run.json'), '{')),
    ],
  ];
  // Giving a folder away takes root.
  if (process.geteuid?.() === 0)
    refusals.push([
      'a folder of someone else',
      /belongs to user 65534/,
      (f) => made(f, () => chownSync(f, 65534, 65534)),
    ]);
  it.each(refusals)('is refused where it is %s', (_, message, make) => {
    const folder = join(scratch(), 'state');
    make(folder);
    expect(() => openState({ folder, wall: 0 })).toThrow(StateError);
    expect(() => openState({ folder, wall: 0 })).toThrow(message);
  });

  it('belongs to one live monitor', () => {
    const folder = join(scratch(), 'state');
    const state = openState({ folder, wall: 0 });
    expect(() => openState({ folder, wall: 0 })).toThrow(new RegExp(`process ${process.pid}\\) uses`));
    state.release();
    openState({ folder, wall: 0 }).release();
  });

  it('is taken over from a dead one, and from a process id used again', async () => {
    const folder = join(scratch(), 'state');
    openState({ folder, wall: 0 }).release();
    const child = spawn('true');
    await once(child, 'exit');
    const lock = join(folder, 'lock');
    const dead = [
      { pid: child.pid, started: '1', boot: 'x' },
      { pid: process.pid, started: '1', boot: 'x' },
    ];
    for (const text of [...dead.map((owner) => JSON.stringify(owner)), '', '{"pid":']) {
      writeFileSync(lock, text, { mode: 0o600 });
      openState({ folder, wall: 0 }).release();
    }
  });

  it('whose takeover was cut off says what to remove', () => {
    const folder = join(scratch(), 'state');
    openState({ folder, wall: 0 }).release();
    for (const name of ['lock', 'lock.takeover']) writeFileSync(join(folder, name), '', { mode: 0o600 });
    expect(() => openState({ folder, wall: 0 })).toThrow(/remove .*lock\.takeover/);
  });

  it('gives its trail back after a crash, once', async () => {
    const folder = join(scratch(), 'state');
    const first = openState({ folder, wall: 0 });
    const opened = await openStateTrail(first, hostClock);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    opened.trail.append({ ...start(), boot, run: first.id });
    await opened.trail.sync();
    first.describe(facts(first.id), '');
    first.release(); // and dies here, without an end
    const records = [
      encode({
        n: 1,
        rule: 0,
        fields: [
          [TAG.exe, 'e'],
          [TAG.path, '/x'],
        ],
      }),
    ];
    writeFileSync(first.journal, ringFile({ capacity: 4096, tail: 0, records }), { mode: 0o600 });

    const second = openState({ folder, wall: 0 });
    const { trail, recovery } = await openStateTrail(second, hostClock);
    expect(recovery).toEqual({ cutBytes: 0, fromJournal: 1, deniedPending: [] });
    trail.append({ ...start(), run: second.id });
    await trail.close();
    second.release();
    expect(verifyTrail(new FolderStore(second.trail))).toMatchObject({ ok: true, runs: 2 });
    expect(() => statSync(second.journal)).toThrow(/ENOENT/);
  });
});
