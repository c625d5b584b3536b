/** Every benchmark runs to its end and reports its figures: in small, by what it prints, never by how fast it was. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './gate.ts';

interface Figure {
  readonly group: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly met: boolean | null;
}

function bench(...args: string[]) {
  return spawnSync(process.execPath, [join(ROOT, 'dist/bench/main.js'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  });
}

/** A program of the system, by name: absent ones are said to be, and the benchmark is not run. */
const lacks = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0;
const missing = ['make', 'cc', 'taskset', 'python3'].filter(lacks);

describe.skipIf(missing.length > 0)(`npm run bench -- --quick${missing.map((m) => ` (no ${m})`)}`, () => {
  it.each<[string, Record<string, number>]>([
    ['gate', { 'open+close, two cores': 8, 'open+close, one core': 8 }],
    ['pipeline', { 'automaton in TypeScript': 1, 'reviewed event': 4, policy: 2 }],
    ['records', { replay: 2, trail: 2, memory: 2 }],
    ['build', { build: 2 }],
  ])('%s reports all its figures', (group, expected) => {
    const { stdout, stderr, status } = bench('--quick', group);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout) as Figure[];
    const counts: Record<string, number> = {};
    for (const { group, name, value, unit } of figures) {
      counts[group] = (counts[group] ?? 0) + 1;
      expect(value, `${group}: ${name}`).toBeGreaterThan(0);
      expect(Number.isFinite(value), `${group}: ${name}`).toBe(true);
      expect(unit).not.toBe('');
      expect(stderr).toContain(name);
    }
    expect(counts).toEqual(expected);
  });

  it('names the groups where one is unknown', () => {
    const { stderr, status } = bench('--quick', 'speed');
    expect(stderr).toMatch(/no group speed; there are gate, pipeline, records, build/);
    expect(status).toBe(2);
  });
});
