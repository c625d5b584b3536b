// Every check of the project: type check, lint, then all tests. Ends with one line
//   N passed, N failed, N skipped
// in which the type check and the lint count as one each. Exits non-zero unless nothing failed.
// Arguments go to vitest: `npm test -- test/policy` runs the tests whose path holds that text.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const report = join(root, 'build/test-report.json');
const count = { passed: 0, failed: 0, skipped: 0 };

/** Runs one of the project's own tools; true when it exits 0. */
function tool(title, script, args) {
  console.log(`\n── ${title}`);
  const ran = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: process.stdout.isTTY ? process.env : { NO_COLOR: '1', ...process.env },
  });
  return ran.status === 0;
}

function check(title, script, args) {
  const held = tool(title, script, args);
  console.log(held ? 'ok' : `FAILED: ${title}`);
  count[held ? 'passed' : 'failed'] += 1;
}

check('type check', 'typescript/bin/tsc', ['--noEmit', '-p', 'tsconfig.json']);
check('lint', '@biomejs/biome/bin/biome', ['check', '.']);

mkdirSync(dirname(report), { recursive: true });
rmSync(report, { force: true });
const held = tool('tests', 'vitest/vitest.mjs', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  // A file that could not even be loaded has failed without a failed test in it.
  const broken = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  count.passed += numPassedTests;
  count.failed += numFailedTests + broken.length;
  count.skipped += numPendingTests + numTodoTests;
} catch {
  console.log('the tests ended without a report');
  count.failed += 1;
}
// Errors outside any test (an unhandled rejection) fail the run without failing a test.
if (!held && count.failed === 0) count.failed = 1;

console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
