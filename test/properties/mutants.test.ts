/**
 * Every property catches the bugs that are planted for it: the compiled tree is copied, one line of the copy is
 * changed (properties/mutants.ts), and the property, run there in a process of its own, must find a
 * counterexample. The unchanged tree must pass with the same number of runs and the same seed.
 */
import { execFile } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { properties } from '../../properties/index.ts';
import { type Mutant, mutants } from '../../properties/mutants.ts';
import type { Outcome } from '../../properties/property.ts';

const RUNS = 200;
const SEED = 20_251_121;
const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
let scratch: string;
let base: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(root, '.mutants-'));
  base = join(scratch, 'base');
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noCheck', '--outDir', base], {
    cwd: root,
  });
}, 120_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A copy of the compiled tree by hard links. */
function copy(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true }))
    if (entry.isDirectory()) copy(join(from, entry.name), join(to, entry.name));
    else linkSync(join(from, entry.name), join(to, entry.name));
}

/** A pattern that matches exactly this text. */
const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** A tree with the bug planted. Throws unless the place for it is found exactly once. */
function plant({ name, file, find, replace }: Mutant): string {
  const tree = join(scratch, name);
  const compiled = join(tree, file.replace(/\.ts$/, '.js'));
  copy(base, tree);
  const text = readFileSync(compiled, 'utf8');
  const place = new RegExp(find.trim().split(/\s+/).map(literally).join('\\s*'), 'g');
  const places = text.match(place)?.length ?? 0;
  if (places !== 1) throw new Error(`${name}: ${JSON.stringify(find)} stands ${places} times in ${file}`);
  unlinkSync(compiled);
  writeFileSync(
    compiled,
    text.replace(place, () => replace),
  );
  return tree;
}

async function outcomeIn(tree: string, property: string): Promise<Outcome> {
  const runner = join(tree, 'properties/runner.js');
  const { stdout } = await run(process.execPath, [runner, property, String(RUNS), String(SEED)], {
    timeout: 60_000,
  });
  return JSON.parse(stdout) as Outcome;
}

/** As many at once as there are processors. */
let free = Math.min(4, availableParallelism());
const queue: (() => void)[] = [];
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free === 0) await new Promise<void>((resolve) => queue.push(resolve));
  else free -= 1;
  try {
    return await work();
  } finally {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  }
}

describe('the mutants', () => {
  it('have names of their own, and every property has at least two', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    const caught = (name: string) => mutants.filter(({ caughtBy }) => caughtBy === name).length;
    expect(properties.map(({ name }) => name).filter((name) => caught(name) < 2)).toEqual([]);
    const known = new Set(properties.map(({ name }) => name));
    expect(mutants.map(({ caughtBy }) => caughtBy).filter((name) => !known.has(name))).toEqual([]);
  });
});

const titled = mutants.map((mutant) => [`${mutant.name}: ${mutant.why}`, mutant] as const);

describe.concurrent('planted bugs are caught', () => {
  it.each(properties.map(({ name }) => name))('no bug: %s holds', { timeout: 120_000 }, async (name) => {
    const outcome = await inTurn(() => outcomeIn(base, name));
    expect(outcome, outcome.counterexample).toMatchObject({ ok: true });
  });

  it.each(titled)('%s', { timeout: 120_000 }, async (_, mutant) => {
    const outcome = await inTurn(async () => {
      const tree = plant(mutant);
      try {
        return await outcomeIn(tree, mutant.caughtBy);
      } finally {
        rmSync(tree, { recursive: true, force: true });
      }
    });
    expect(outcome.ok).toBe(false);
    expect(outcome.violation).toBeTruthy();
  });
});
