/** Events, payloads and throw-away trails for the tests of this folder. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Event } from '../../model/event.ts';
import type { Payload } from '../../monitor/audit/record.ts';
import { FolderStore } from '../../monitor/audit/store.ts';
import { FileTrail } from '../../monitor/audit/trail.ts';
import { type Verification, verifyTrail } from '../../monitor/audit/verify.ts';
import { hostClock } from '../../monitor/clock.ts';

export function event(n: number, path = `/work/file-${n}`): Event {
  return {
    n,
    operation: 'write',
    also: [],
    object: { kind: 'path', path },
    subject: { exe: '/usr/bin/cat', pid: 7 },
    received: 1000 * n,
    deadline: 1000 * n + 4e9,
  };
}

export function start(command: string[] = ['true']): Payload & { kind: 'start' } {
  return {
    kind: 'start',
    run: 'test-run',
    version: '0',
    boot: 'boot-1',
    command,
    policy: { name: 'test', digest: '0'.repeat(64) },
    hook: 'test',
    reviewer: 'none',
    observe: false,
    fast_path: 'native',
    durability: 'batched',
    record: 'changes',
  };
}

export function decision(n: number, verdict: 'allow' | 'deny' = 'allow'): Payload & { kind: 'decision' } {
  return {
    kind: 'decision',
    event: event(n),
    answered: 1000 * n + 500,
    enforced: true,
    verdict,
    layer: 'policy',
    rule: 'some-rule',
    reason: 'because',
  };
}

export function review(n: number): Payload & { kind: 'review' } {
  return { kind: 'review', event: event(n), rule: null };
}

export function verdict(n: number, what: 'allow' | 'deny' = 'allow'): Payload & { kind: 'verdict' } {
  return {
    kind: 'verdict',
    n,
    answered: 1000 * n + 900,
    enforced: true,
    verdict: what,
    layer: 'reviewer',
    rule: null,
    reason: 'the reviewer says so',
    reviewer: { name: 'test', input: 'f'.repeat(64), verdict: what, reason: 'the reviewer says so' },
  };
}

export function end(counters: Record<string, number> = {}): Payload & { kind: 'end' } {
  return { kind: 'end', status: 0, signal: null, counters };
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-audit-'));
  folders.push(folder);
  return folder;
}

/** A real trail in a fresh folder, closed. */
export async function written(payloads: readonly Payload[], segmentBytes?: number): Promise<FolderStore> {
  const store = new FolderStore(scratch());
  const options = segmentBytes === undefined ? {} : { segmentBytes };
  const trail = new FileTrail({ store, clock: hostClock, ...options });
  for (const payload of payloads) trail.append(payload);
  await trail.close();
  return store;
}

/** Verifies the store after its first segment's lines were changed. */
export function verifyAfter(store: FolderStore, change: (lines: string[]) => string[]): Verification {
  const file = store.name(1);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  writeFileSync(file, `${change(lines).join('\n')}\n`);
  return verifyTrail(store);
}
