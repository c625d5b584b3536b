/** Reviewers that misbehave and monitors that die: nothing that needed a verdict ever happens (P2, P3). */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Row, Scratch } from './gate.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.dispose());

/** Every write outside the workspace is put up for review. */
const reviewing = () =>
  scratch.policy(`
  - id: outside
    effect: review
    operations: [write, create, delete]
    paths: ["${scratch.outside}/**"]
`);

/** A reviewer in Python: `body` sees `ask` (the request) and `say(dict)`. */
function reviewer(body: string): string {
  return `exec:/usr/bin/python3 -u ${scratch.file(
    'reviewer.py',
    `import json, os, sys, time
def say(answer): print(json.dumps(answer), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
${body
  .split('\n')
  .map((l) => `    ${l}`)
  .join('\n')}
`,
  )}`;
}

function attempt(body: string, deadline = '1s'): { made: boolean; verdicts: Row[]; stderr: string } {
  const target = join(scratch.outside, 'made');
  const ran = scratch.run(
    ['--policy', reviewing(), '--deadline', deadline, '--reviewer', reviewer(body)],
    ['sh', '-c', `echo x > ${target}`],
  );
  expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
  const verdicts = scratch.rows().filter((row) => row.operation === 'create');
  return { made: existsSync(target), verdicts, stderr: ran.stderr };
}

describe('exec reviewer', () => {
  it('a clean allow in time releases the operation, once', () => {
    const { made, verdicts } = attempt(
      "assert ask['event']['operation'] == 'create' and ask['event']['subject']['argv'][0] == 'sh'\nsay({'id': ask['id'], 'verdict': 'allow', 'reason': 'looks fine'})",
    );
    expect(made).toBe(true);
    expect(verdicts.filter((row) => row.verdict === 'allow').length).toBe(1);
  });

  const broken: [string, string, RegExp][] = [
    ['denies', "say({'id': ask['id'], 'verdict': 'deny', 'reason': 'not today'})", /not today/],
    ['hangs', 'time.sleep(30)', /deadline|in time/i],
    ['dies', 'os._exit(3)', /ended|died|exit|closed its output/i],
    ['answers malformed lines', "print('allow', flush=True)", /malformed/i],
    ['answers for another id', "say({'id': 'other', 'verdict': 'allow', 'reason': ''})", /not asked/i],
    [
      'answers with another verdict',
      "say({'id': ask['id'], 'verdict': 'ALLOW', 'reason': ''})",
      /malformed|verdict/i,
    ],
    [
      'answers late',
      "time.sleep(1.3); say({'id': ask['id'], 'verdict': 'allow', 'reason': ''})",
      /deadline|in time/i,
    ],
    ['floods', "while True: sys.stdout.write('x' * 65536)", /a line of more than/i],
    [
      'answers twice in one breath',
      "a = json.dumps({'id': ask['id'], 'verdict': 'allow', 'reason': ''}); b = json.dumps({'id': ask['id'], 'verdict': 'deny', 'reason': ''}); sys.stdout.write(b + '\\n' + a + '\\n'); sys.stdout.flush()",
      /./,
    ],
  ];
  for (const [how, body, reason] of broken)
    it(`one that ${how} releases nothing`, () => {
      const { made, verdicts } = attempt(body);
      expect(made).toBe(false);
      const denies = verdicts.filter((row) => row.verdict === 'deny');
      expect(denies.length).toBe(1);
      expect(`${denies[0]!.layer} ${denies[0]!.reason}`).toMatch(reason);
    });

  it('one waiting review does not delay other processes', () => {
    const ran = scratch.run(
      ['--policy', reviewing(), '--deadline', '2s', '--reviewer', reviewer('time.sleep(30)')],
      [
        '/usr/bin/python3',
        '-c',
        `
import subprocess, time
p = subprocess.Popen(["sh", "-c", "echo x > ${join(scratch.outside, 'made')}"], stderr=subprocess.DEVNULL)
time.sleep(0.3)
start = time.monotonic()
for i in range(200): open("f%d" % i, "w").close()
elapsed = time.monotonic() - start
print(p.poll() is None, elapsed < 1.0, p.wait() != 0)
`,
      ],
    );
    expect(ran.stdout).toBe('True True True\n');
  });
});

describe('a monitor that dies', () => {
  it('by SIGKILL in the middle of a review releases nothing, then or later', async () => {
    const gate = scratch.start(
      ['--policy', reviewing(), '--deadline', '20s', '--reviewer', reviewer('time.sleep(60)')],
      [
        '/usr/bin/python3',
        '-c',
        `
import os, time
open("before", "w").close()
try: open("${join(scratch.outside, 'made')}", "w"); r = "made"
except OSError as e: r = e.strerror
try: os.mkdir("after"); r += " mkdir"
except OSError as e: r += " " + e.strerror
os.write(1, r.encode()); time.sleep(0.2)
`,
      ],
    );
    let out = '';
    gate.stdout!.on('data', (chunk) => {
      out += chunk;
    });
    for (let i = 0; i < 200 && !existsSync(join(scratch.workspace, 'before')); i += 1) await sleep(50);
    expect(existsSync(join(scratch.workspace, 'before'))).toBe(true);
    await sleep(400);
    process.kill(gate.pid!, 'SIGKILL');
    await once(gate, 'exit');
    await sleep(700);
    expect(existsSync(join(scratch.outside, 'made'))).toBe(false);
    expect(existsSync(join(scratch.workspace, 'after'))).toBe(false);
    expect(out === '' || out === 'Function not implemented Function not implemented').toBe(true);

    // The next run with the same state folder recovers the trail and denies what was pending.
    const next = scratch.run(['--policy', reviewing()], ['true']);
    expect(next.status).toBe(0);
    expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
    const rows = scratch.rows();
    expect(
      rows.some((row) => row.verdict === 'deny' && JSON.stringify(row.object ?? '').includes('outside/made')),
    ).toBe(true);
    expect(rows.some((row) => JSON.stringify(row.object ?? '').includes('workspace/before'))).toBe(true);
  });
});

describe('a full state folder', () => {
  const root = process.getuid?.() === 0;
  it.skipIf(!root)(
    'starts nothing, or denies what can no longer be recorded (needs root for a small tmpfs)',
    () => {
      const small = scratch.folder('small');
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', small]).status).toBe(0);
      try {
        scratch.folder('small/state');
        const ran = scratch.run(
          ['--policy', reviewing(), '--state', join(small, 'state')],
          ['sh', '-c', 'echo ran > ran'],
        );
        expect(ran.status).toBe(125);
        expect(ran.stderr).toMatch(/space|full/i);
        expect(existsSync(join(scratch.workspace, 'ran'))).toBe(false);
      } finally {
        spawnSync('umount', [small]);
      }
    },
  );
});

it('the state folder cannot be touched by the command', () => {
  const ran = scratch.run(
    ['--policy', 'workspace'],
    [
      'sh',
      '-c',
      `cat ${scratch.state}/run.json; echo x >> ${scratch.state}/run.json; rm -rf ${scratch.state}; kill -9 $PPID; echo end`,
    ],
  );
  expect(ran.stdout).toBe('end\n');
  expect(readFileSync(join(scratch.state, 'run.json'), 'utf8')).toMatch(/^\{/);
  expect(scratch.cli('audit', 'verify', scratch.state).status).toBe(0);
});
