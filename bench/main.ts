/**
 * `npm run bench [-- [--quick] GROUP…]`: speed and memory, as a table on stderr and as JSON on stdout. `--quick` only
 * shows that the benchmarks run: its figures mean nothing. Aims are printed
 * beside the figures and never make the exit status: a figure is evidence, not a test.
 */
import { build } from './build.ts';
import { gate } from './gate.ts';
import { pipeline } from './pipeline.ts';
import { missingTools, records } from './records.ts';
import { type Figure, met, table } from './report.ts';
import { FULL, QUICK, type Sizes } from './sizes.ts';

const GROUPS: Record<string, (sizes: Sizes) => Figure[] | Promise<Figure[]>> = {
  gate,
  pipeline,
  records,
  build,
};

async function main(args: readonly string[]): Promise<number> {
  const quick = args.includes('--quick');
  const wanted = args.filter((arg) => arg !== '--quick');
  const unknown = wanted.filter((name) => !(name in GROUPS));
  if (unknown.length > 0) {
    console.error(`bench: no group ${unknown.join(', ')}; there are ${Object.keys(GROUPS).join(', ')}`);
    return 2;
  }
  const missing = missingTools();
  if (missing.length > 0) {
    console.error(`bench: needs ${missing.join(', ')}`);
    return 2;
  }
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(GROUPS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.error(`bench: ${name} …`);
    figures.push(...(await measure(quick ? QUICK : FULL)));
  }
  console.error(`\n${table(figures)}`);
  console.log(
    JSON.stringify(
      figures.map((figure) => ({ ...figure, met: met(figure) ?? null })),
      null,
      2,
    ),
  );
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
