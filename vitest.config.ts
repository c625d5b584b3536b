/**
 * Which tests run how. Two groups, one after the other: `unit` (fast, in parallel) and `live` (real processes
 * under the real gate, one file at a time, since they watch deadlines on a machine that may have two cores).
 */
import { configDefaults, defineConfig } from 'vitest/config';

const LIVE = ['live', 'hook', 'native', 'cli'].map((area) => `test/${area}/**/*.test.ts`);

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...LIVE],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'live',
          include: LIVE,
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 120_000,
        },
      },
    ],
  },
});
