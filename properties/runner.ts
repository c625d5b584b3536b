/**
 * Runs one property in a process of its own and prints its Outcome as one line of JSON: `runner.js NAME RUNS
 * SEED`. Used to try properties on trees with planted bugs. Exit status 0 whatever the outcome, 2 when there is
 * no such property; a crash is a crash and no counterexample.
 */
import { properties } from './index.ts';

const [name, runs, seed] = process.argv.slice(2);
const property = properties.find((property) => property.name === name);
if (property === undefined) {
  process.stderr.write(`no property is called ${name}\n`);
  process.exit(2);
}
const outcome = await property.run({ runs: Number(runs), seed: Number(seed), quick: true });
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit(0); // whatever a planted bug left running
