/** `portcullis approve` as a program, against a human reviewer that really waits. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { hostClock } from '../../monitor/clock.ts';
import { HumanReviewer } from '../../monitor/reviewers/human.ts';
import { eventOf, SECOND } from './bench.ts';

const BIN = resolve(import.meta.dirname, '../../bin/portcullis');
const home = mkdtempSync(join(tmpdir(), 'portcullis-approve-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const started: HumanReviewer[] = [];
afterEach(async () => {
  for (const reviewer of started.splice(0)) await reviewer.stop();
});

async function run(id: string): Promise<HumanReviewer> {
  const folder = join(home, 'portcullis', id);
  mkdirSync(folder, { recursive: true });
  const reviewer = new HumanReviewer({ socket: join(folder, 'control.sock'), clock: hostClock });
  await reviewer.start();
  started.push(reviewer);
  return reviewer;
}

/** Puts a review; its verdict and reason. */
function put(reviewer: HumanReviewer, n: number, path = '/srv/x'): Promise<string> {
  const received = hostClock.now();
  const event = eventOf(n, { path, received, deadline: received + 60 * SECOND });
  const request = { event, rule: 'look-first', reason: 'somebody should look' };
  return reviewer
    .review(request, new AbortController().signal)
    .then(({ verdict, reason }) => `${verdict}: ${reason}`, String);
}

function approve(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const env = { ...process.env, XDG_STATE_HOME: home };
  return new Promise((done) => {
    execFile(BIN, ['approve', ...args], { env }, (error, stdout, stderr) => {
      done({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('approve', () => {
  it('says when nothing waits', async () => {
    expect(await approve()).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing waits') });
    expect(await approve('--json')).toMatchObject({ status: 0, stdout: '' });
    expect(await approve('--allow', '3')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('review 3 does not wait'),
    });
  });

  it('lists what waits with object, subject, reason and time left, and hides no control characters', async () => {
    const reviewer = await run('r1');
    void put(reviewer, 7, '/srv/\u001b[2Jx');
    const { stdout } = await approve();
    expect(stdout).toContain('7  write /srv/\\x1b[2Jx');
    expect(stdout).toMatch(/5\d\.\d s left/);
    expect(stdout).toContain('by /usr/bin/tool, process 42');
    expect(stdout).toContain('somebody should look (rule look-first); run r1');
    const json = JSON.parse((await approve('--json')).stdout);
    expect(json).toMatchObject({ run: 'r1', id: 7, operation: 'write', rule: 'look-first' });
  });

  it('answers one review, in the run that is meant', async () => {
    const [a, b] = [await run('r2'), await run('r3')];
    const [here, there, other] = [put(a, 1), put(b, 1), put(b, 2)];
    expect(await approve('--allow', '1')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('waits in r2 and r3; choose with --run'),
    });
    expect((await approve('--allow', '1', '--run', 'r2', '--reason', 'I asked for it')).stdout).toContain(
      'allowed: 1  write /srv/x',
    );
    expect(await here).toBe('allow: I asked for it');
    expect((await approve('--deny', '1', '--state', join(home, 'portcullis', 'r3'))).status).toBe(0);
    expect(await there).toBe('deny: a person said deny');
    expect(JSON.parse((await approve('--deny', '2', '--json')).stdout)).toMatchObject({ id: 2, done: true });
    expect(await other).toMatch(/^deny/);
  });

  it.each([
    [['--allow', '1', '--deny', '1'], 'not both'],
    [['--allow', 'x'], 'not the number of a review'],
    [['--allow', '1', '--watch'], '--watch does not go with'],
    [['--reason', 'x'], '--reason goes with'],
  ])('refuses %j', async (args, message) => {
    expect(await approve(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  });
});
