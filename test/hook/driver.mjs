/**
 * Runs one command under the native hook, without the monitor: the test's stand-in for it, in a process of its
 * own because a process has one session. Plain Node, so that it runs without a build of the TypeScript.
 *
 *   node driver.mjs PLAN.json OUT -- COMMAND…
 *
 * The plan: {table (base64), cwd, deadlineMs, observe, recordAll, decideHere, review: allow|deny|slow|never|late|hang}.
 * `slow` answers allow after 200 ms. `late` answers allow 50 ms after the deadline; `hang` blocks the event loop from the first review on, past the
 * deadline, and then answers allow. Writes OUT/journal.bin (every record drained) and OUT/end.json.
 * Exits as the command did; 125 where it could not be started.
 */
import { appendFileSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [planFile, out, , ...command] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, 'utf8'));
const native = createRequire(import.meta.url)('../../build/portcullis.node');
const bytes = (text) => Buffer.from(text, 'latin1');
const KIND_REVIEW = 3;
const answers = [];
let timer;

function answer(n, allow) {
  answers.push({ n, allow, accepted: session.answer(n, allow) });
}

function decide(n) {
  if (plan.review === 'never') return;
  if (plan.review === 'slow') setTimeout(() => answer(n, true), 200);
  else if (plan.review === 'late') setTimeout(() => answer(n, true), plan.deadlineMs + 50);
  else if (plan.review === 'hang') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, plan.deadlineMs + 200);
    answer(n, true);
  } else answer(n, plan.review === 'allow');
}

function drain() {
  const records = session?.drain();
  if (!records) return;
  appendFileSync(join(out, 'journal.bin'), records);
  session.consumed(records.length);
  for (let at = 0; at < records.length; at += records.readUInt32LE(at))
    if (records.readUInt16LE(at + 4) === KIND_REVIEW) decide(Number(records.readBigUInt64LE(at + 8)));
}

let session;
writeFileSync(join(out, 'journal.bin'), '');
try {
  session = native.start(
    {
      argv: command.map(bytes),
      env: Object.entries(process.env).map(([name, value]) => bytes(`${name}=${value}`)),
      cwd: bytes(plan.cwd),
      table: Buffer.from(plan.table, 'base64'),
      journal: join(out, 'journal.ring'),
      journalBytes: plan.journalBytes ?? 1 << 20,
      deadlineNs: plan.deadlineMs * 1e6,
      observe: plan.observe ?? false,
      recordAll: plan.recordAll ?? false,
      decideHere: plan.decideHere ?? true,
    },
    drain,
    (end) => {
      clearInterval(timer);
      drain();
      writeFileSync(join(out, 'end.json'), JSON.stringify({ end, counters: session.counters(), answers }));
      process.exit(end.code ?? 128 + end.signal);
    },
  );
  timer = setInterval(drain, 10);
} catch (error) {
  writeSync(2, `${error.message}\n`);
  process.exit(125);
}
