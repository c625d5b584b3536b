/** The rules of the house: which folder may import which, and what every file begins with. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
/** Tracked files, as they are in the working tree. */
const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
  .split('\0')
  .filter((name) => name !== '' && existsSync(join(ROOT, name)));
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');
const sources = files.filter((name) => name.endsWith('.ts'));

/** Folder → the folders it may import besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  model: [],
  monitor: ['model'],
  hooks: ['monitor', 'model'],
  traces: ['monitor', 'model'],
  replay: ['traces', 'monitor', 'model'],
  properties: ['replay', 'traces', 'monitor', 'model'],
  cli: ['properties', 'replay', 'traces', 'hooks', 'monitor', 'model'],
  demo: ['model'],
};

/** Every module that `text` names. */
function imports(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

describe('imports', () => {
  for (const [folder, allowed] of Object.entries(MAY_IMPORT))
    it(`${folder} imports only itself${allowed.length > 0 ? `, ${allowed.join(', ')}` : ''} and libraries`, () => {
      const own = sources.filter((name) => name.startsWith(`${folder}/`));
      expect(own.length).toBeGreaterThan(0);
      const wrong = own.flatMap((name) =>
        imports(read(name))
          .filter((module) => module.startsWith('.'))
          .map((module) => relative(ROOT, resolve(ROOT, dirname(name), module)))
          .filter((target) => ![folder, ...allowed].includes(target.split('/')[0]!))
          .map((target) => `${name} imports ${target}`),
      );
      expect(wrong).toEqual([]);
    });

  it('nobody but its tests imports cli', () => {
    const wrong = sources
      .filter((name) => !name.startsWith('cli/') && !name.startsWith('test/'))
      .filter((name) => imports(read(name)).some((module) => /(^|\/)cli\//.test(module)));
    expect(wrong).toEqual([]);
  });

  it('model does no input or output and reads no clock', () => {
    const wrong = sources
      .filter((name) => name.startsWith('model/'))
      .filter((name) => {
        const code = withoutComments(read(name));
        return (
          imports(code).some((module) => module.startsWith('node:')) ||
          /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bprocess\.|\bMath\.random\b|\bsetTimeout\b/.test(
            code,
          )
        );
      });
    expect(wrong).toEqual([]);
  });

  it('every relative import names its file with the extension, and the file is there', () => {
    const wrong = sources.flatMap((name) =>
      imports(read(name))
        .filter((module) => module.startsWith('.'))
        .filter((module) => !existsSync(join(ROOT, dirname(name), module)) || !/\.\w+$/.test(module))
        .map((module) => `${name}: ${module}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('files', () => {
  it('every source file opens with a comment on what it is', () => {
    const wrong = files
      .filter((name) => /\.(ts|mjs|cc|h|c)$/.test(name))
      .filter((name) => !/^(#!.*\n)?(\/\*|\/\/)/.test(read(name)));
    expect(wrong).toEqual([]);
  });

  it('scripts that people start are executable', () => {
    for (const name of ['bin/portcullis', '.ci/run'])
      expect(statSync(join(ROOT, name)).mode & 0o111, name).toBe(0o111);
  });

  it('nothing built or installed is tracked', () => {
    expect(files.filter((name) => /^(dist|build|node_modules)\//.test(name))).toEqual([]);
  });

  it('packages are fixed by hash, and no registry is named', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; integrity?: string }>;
    };
    const wrong = Object.entries(packages)
      .filter(([name, entry]) => name !== '' && (entry.resolved || !entry.integrity?.startsWith('sha512-')))
      .map(([name]) => name);
    expect(wrong).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
