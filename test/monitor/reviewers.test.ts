/** The reviewers that other processes speak to: real children, real sockets. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exchange, isList } from '../../cli/control-client.ts';
import { hostClock } from '../../monitor/clock.ts';
import { type Reviewer, ReviewerError } from '../../monitor/reviewers/contract.ts';
import { ExecReviewer } from '../../monitor/reviewers/exec.ts';
import { HumanReviewer } from '../../monitor/reviewers/human.ts';
import { createReviewer } from '../../monitor/reviewers/index.ts';
import { eventOf, SECOND } from './bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-reviewers-'));
const started: Reviewer[] = [];
afterEach(async () => {
  for (const reviewer of started.splice(0)) await reviewer.stop();
});
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const soon = (n: number) => {
  const received = hostClock.now();
  return { event: eventOf(n, { received, deadline: received + 60 * SECOND }), rule: null, reason: 'why' };
};
const outcome = (reviewer: Reviewer, n: number, signal = new AbortController().signal): Promise<string> =>
  reviewer.review(soon(n), signal).then(
    ({ verdict }) => verdict,
    (error: unknown) => (error instanceof ReviewerError ? `${error.kind}: ${error.message}` : String(error)),
  );

async function exec(command: string): Promise<ExecReviewer> {
  const reviewer = new ExecReviewer(command, { clock: hostClock });
  started.push(reviewer);
  await reviewer.start();
  return reviewer;
}

/** A reviewer in shell: for each line, `body` with $id. */
const shell = (body: string): string =>
  `while read -r line; do id=$(printf %s "$line" | sed 's/^{"id":"\\([0-9]*\\)".*/\\1/'); ${body}; done`;
const SAY_YES = `printf '{"id":"%s","verdict":"allow","reason":"ok"}\\n' "$id"`;

describe('an exec reviewer', () => {
  it('answers, one child for all reviews', async () => {
    const reviewer = await exec(shell(`printf '{"id":"%s","verdict":"allow","reason":"%s"}\\n' "$id" $$`));
    const answers = await Promise.all(
      [1, 2, 3].map((n) => reviewer.review(soon(n), new AbortController().signal)),
    );
    expect(answers.map(({ verdict }) => verdict)).toEqual(['allow', 'allow', 'allow']);
    expect(new Set(answers.map(({ reason }) => reason)).size).toBe(1);
  });

  it('denies all when the child dies, with its last words', async () => {
    const reviewer = await exec('read -r line; echo out of cheese >&2; exit 3');
    const [first, second] = await Promise.all([outcome(reviewer, 1), outcome(reviewer, 2)]);
    expect(first).toBe('ended: the reviewer ended with status 3; its last words: out of cheese');
    expect(second).toMatch(/^ended: /);
    expect(await outcome(reviewer, 3)).toMatch(/^ended: /);
  });

  it('is stopped, with all it has started, when it breaks the protocol', async () => {
    const pids = join(folder, 'pids');
    const reviewer = await exec(`sleep 1000 & echo $! $$ > '${pids}'; ${shell('echo gibberish')}`);
    expect(await outcome(reviewer, 1)).toMatch(/^malformed: the reviewer was stopped/);
    expect(await outcome(reviewer, 2)).toMatch(/^malformed: the reviewer was stopped/);
    await reviewer.stop();
    for (const pid of readFileSync(pids, 'utf8').trim().split(' ')) expect(await isGone(pid)).toBe(true);
  });

  it('is stopped when it floods', async () => {
    const reviewer = await exec('read -r line; exec yes | tr -d "\\n"');
    expect(await outcome(reviewer, 1)).toMatch(/^overloaded: /);
  });

  it('may flood stderr', async () => {
    const reviewer = await exec(shell(`head -c 3000000 /dev/zero | tr '\\0' x >&2; ${SAY_YES}`));
    expect(await outcome(reviewer, 1)).toBe('allow');
  });

  it('that does not read is noticed', async () => {
    const reviewer = await exec('sleep 1000');
    const big = { ...soon(1), reason: 'x'.repeat(3 << 20) };
    const asked = [1, 2, 3, 4].map((n) => {
      const abort = new AbortController();
      const review = { ...big, event: { ...big.event, n } };
      const answer = reviewer.review(review, abort.signal).catch((error: ReviewerError) => error.kind);
      return { abort, answer };
    });
    expect(await asked[3]!.answer).toBe('overloaded');
    for (const { abort } of asked) abort.abort();
    expect(await Promise.all(asked.map(({ answer }) => answer))).toContain('missing');
  });

  it('that cannot run keeps the run from starting', async () => {
    await expect(exec('/nonexistent/reviewer')).rejects.toThrow(/ended with status 127 at once.*not found/s);
    await expect(exec('exit 0')).rejects.toThrow(/ended with status 0 at once/);
    await expect(exec(' ')).rejects.toThrow(/no command/);
  });

  it('sits in a session of its own and gets nothing that the monitor has open', async () => {
    const report = join(folder, 'report');
    const trail = openSync(join(folder, 'trail'), 'w');
    const list = "ls -l /proc/$$/fd; cut -d' ' -f6 /proc/$$/stat; echo $$";
    const reviewer = await exec(`{ ${list}; } > '${report}'; ${shell(SAY_YES)}`);
    expect(await outcome(reviewer, 1)).toBe('allow');
    closeSync(trail);
    const lines = readFileSync(report, 'utf8').trim().split('\n');
    expect(lines.at(-2)).toBe(lines.at(-1));
    expect(lines.join('\n')).toContain('/report');
    expect(lines.join('\n')).not.toContain('/trail');
  });
});

async function isGone(pid: string): Promise<boolean> {
  for (let tries = 0; tries < 100; tries += 1) {
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    // A zombie waits for whoever adopts orphans here.
    if (state === '' || / Z /.test(state)) return true;
    await new Promise((done) => setTimeout(done, 20));
  }
  return false;
}

describe('a human reviewer', () => {
  async function human(name: string): Promise<{ reviewer: HumanReviewer; socket: string }> {
    const socket = join(folder, `${name}.sock`);
    const reviewer = new HumanReviewer({ socket, clock: hostClock });
    started.push(reviewer);
    await reviewer.start();
    return { reviewer, socket };
  }

  it('lists what waits and takes the first answer', async () => {
    const { reviewer, socket } = await human('a');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const answer = reviewer.review(soon(7), new AbortController().signal);
    const list = await exchange(socket, { op: 'list' });
    expect(isList(list) && list.waiting.map(({ id, event }) => [id, event.operation])).toEqual([
      [7, 'write'],
    ]);
    expect(isList(list) && list.waiting[0]!.left_ms).toBeGreaterThan(50_000);
    const say = (verdict: 'allow' | 'deny') =>
      exchange(socket, { op: 'answer', id: 7, verdict, reason: 'mine' });
    expect(await say('allow')).toEqual({ done: 7 });
    expect(await say('deny')).toMatchObject({ error: expect.stringContaining('does not wait') });
    expect(await answer).toEqual({ verdict: 'allow', reason: 'mine' });
  });

  it('denies at the deadline and at the end', async () => {
    const { reviewer, socket } = await human('b');
    const abort = new AbortController();
    const first = outcome(reviewer, 1, abort.signal);
    const second = outcome(reviewer, 2);
    abort.abort();
    expect(await first).toMatch(/^missing: /);
    expect(await exchange(socket, { op: 'list' })).toMatchObject({ waiting: [{ id: 2 }], more: 0 });
    await reviewer.stop();
    expect(await second).toMatch(/^ended: /);
    expect(existsSync(socket)).toBe(false);
  });

  it('answers nonsense with an error and lets nobody be harmed by it', async () => {
    const { reviewer, socket } = await human('c');
    const answer = outcome(reviewer, 1);
    const replies = await new Promise<string>((resolve) => {
      let text = '';
      const client = connect(socket);
      client.on('data', (piece) => {
        text += piece.toString();
      });
      client.on('error', () => {});
      client.on('close', () => resolve(text));
      client.write('{"op":"answer","id":1,"verdict":"ALLOW"}\nnot json\n{"op":"dance"}\n[]\n');
      client.write('x'.repeat(100_000));
    });
    expect(
      replies
        .trim()
        .split('\n')
        .every((line) => 'error' in JSON.parse(line)),
    ).toBe(true);
    expect(replies.trim().split('\n').length).toBeGreaterThanOrEqual(4);
    await exchange(socket, { op: 'answer', id: 1, verdict: 'deny', reason: '' });
    expect(await answer).toBe('deny');
  });

  it('takes the place of a dead socket, and of nothing else', async () => {
    const dead = join(folder, 'dead.sock');
    const made = spawnSync('python3', [
      '-c',
      `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(dead)})`,
    ]);
    expect(made.status).toBe(0);
    const reviewer = new HumanReviewer({ socket: dead, clock: hostClock });
    started.push(reviewer);
    await reviewer.start();
    const file = join(folder, 'file.sock');
    writeFileSync(file, 'mine');
    await expect(new HumanReviewer({ socket: file, clock: hostClock }).start()).rejects.toThrow(/EADDRINUSE/);
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it('says when the path is too long for a socket', async () => {
    const reviewer = new HumanReviewer({ socket: `/${'x'.repeat(120)}`, clock: hostClock });
    await expect(reviewer.start()).rejects.toThrow(/too long for a socket.*--state/);
  });
});

describe('reviewers by name', () => {
  it('knows none, human and exec', async () => {
    const place = { control: join(folder, 'x.sock') };
    expect(createReviewer('none', place).name).toBe('none');
    expect(createReviewer('human', place).name).toBe('human');
    expect(createReviewer('exec:cat', place).name).toBe('exec:cat');
    expect(() => createReviewer('oracle', place)).toThrow(/none, human and exec:COMMAND/);
    expect(await outcome(createReviewer('none', place), 1)).toBe('deny');
  });
});
