/** A folder above what a rule protects is not moved away from under the rule. */
import { expect, it } from 'vitest';
import { compile } from '../../model/policy/compile.ts';
import { decide } from '../../model/policy/decide.ts';
import { parsePolicy } from '../../model/policy/schema.ts';

const environment = {
  home: '/home/u',
  workspace: '/w',
  temporary: ['/tmp'],
  protect: [],
  aliases: { '/link/a': '/far/a' },
};

function renaming(rules: string) {
  const policy = compile(
    parsePolicy(
      `version: 1\nrules:\n${rules}  - id: rest\n    effect: allow\n    operations: [read, write, create, delete, rename]\n`,
      'policy.yaml',
    ),
    environment,
  );
  return (path: string, to: string) =>
    decide(policy, {
      operation: 'rename',
      also: [],
      object: { kind: 'path', path, to },
      subject: { exe: '/usr/bin/mv', pid: 1 },
    }).effect;
}

it('denies moving any folder above a denied path, and moving another into its place', () => {
  const effect = renaming(
    '  - id: keys\n    effect: deny\n    operations: [read]\n    paths: ["~/vault/keys/**", "/link/a/*.key"]\n',
  );
  for (const folder of [
    '/home/u/vault',
    '/home/u',
    '/home',
    '/home/u/vault/keys',
    '/far',
    '/far/a',
    '/link/a',
  ]) {
    expect(effect(folder, '/w/x'), folder).toBe('deny');
    expect(effect('/w/x', folder), folder).toBe('deny');
  }
  expect(effect('/home/u/vault/other', '/w/x')).toBe('allow');
  expect(effect('/home/u/vaults', '/w/x')).toBe('allow');
});

it('reviews it where the rule reviews, and leaves alone what `**` finds anywhere and what only stops programs', () => {
  const effect = renaming(
    '  - id: asked\n    effect: review\n    operations: [read]\n    paths: ["/srv/data/**"]\n' +
      '  - id: env\n    effect: deny\n    operations: [read]\n    paths: ["**/.env"]\n' +
      '  - id: tool\n    effect: deny\n    operations: [exec]\n    paths: ["/opt/tool/run"]\n',
  );
  expect(effect('/srv', '/w/x')).toBe('review');
  expect(effect('/opt/tool', '/w/x')).toBe('allow');
  expect(effect('/w/dir', '/w/x')).toBe('allow');
});
