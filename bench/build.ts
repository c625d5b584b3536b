/**
 * A real build under the gate against the same build without it: a few hundred C files compiled, linked and
 * tested by make on two cores, in turn, in one run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, median } from './report.ts';
import { Scratch } from './scratch.ts';
import type { Sizes } from './sizes.ts';

export async function build({ files, builds }: Sizes): Promise<Figure[]> {
  const scratch = new Scratch();
  try {
    writeProject(scratch.workspace, files);
    const command = ['sh', '-c', 'make -s clean && make -s -j2 check'];
    await scratch.bare(command);
    const ratios: number[] = [];
    const peaks: number[] = [];
    for (let round = 0; round < builds; round += 1) {
      const bare = await scratch.bare(command);
      const gated = await scratch.gated(['--policy', 'workspace'], command);
      if (bare.status !== 0 || gated.status !== 0)
        throw new Error(`the build failed: ${bare.status} without, ${gated.status} under the gate`);
      ratios.push(gated.seconds / bare.seconds);
      peaks.push(gated.peak);
    }
    const how = `make -j2 of ${files} C files and their test, ${builds} pairs in turn, median`;
    return [
      { group: 'build', name: 'under the gate ÷ without', value: median(ratios), unit: '×', how },
      {
        group: 'build',
        name: 'peak resident memory of the monitor',
        value: Math.max(...peaks),
        unit: 'MiB',
        how,
      },
    ];
  } finally {
    scratch.dispose();
  }
}

function writeProject(folder: string, files: number): void {
  mkdirSync(join(folder, 'src'));
  const names = Array.from({ length: files }, (_, i) => `f${i}`);
  for (const [i, name] of names.entries())
    writeFileSync(
      join(folder, `src/${name}.c`),
      `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include "all.h"\nint ${name}(int x) { return x + ${i}; }\n`,
    );
  writeFileSync(join(folder, 'src/all.h'), `${names.map((name) => `int ${name}(int);`).join('\n')}\n`);
  writeFileSync(
    join(folder, 'src/main.c'),
    `#include <stdio.h>\n#include "all.h"\nint main(void) { int s = 0; ${names.map((n) => `s = ${n}(s);`).join(' ')} printf("%d\\n", s); return s != ${(files * (files - 1)) / 2}; }\n`,
  );
  writeFileSync(
    join(folder, 'Makefile'),
    `OBJECTS = ${[...names, 'main'].map((name) => `build/${name}.o`).join(' ')}
check: build/program
\tbuild/program
build/program: $(OBJECTS)
\tcc -o $@ $^
build/%.o: src/%.c src/all.h | build
\tcc -O1 -c -o $@ $<
build:
\tmkdir -p build
clean:
\trm -rf build
.PHONY: check clean
`,
  );
}
