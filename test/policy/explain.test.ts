/** What `policy explain` is made of. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../model/policy/explain.ts';
import { compiled, onPath } from './environment.ts';

describe('an explanation', () => {
  const policy = compiled(
    [
      { id: 'home', effect: 'allow', paths: ['~/**'] },
      { id: 'dots', effect: 'review', paths: ['~/.*'], reason: 'a dot file' },
      { id: 'rc', effect: 'deny', operations: ['write'], paths: ['**/.*rc'] },
    ],
    { constitution: [{ id: 'never', paths: ['**/.bashrc'] }] },
  );

  it('names the deciding rule, the others that matched, and the constitution', () => {
    const { effect, rule, words, tier } = explain(policy, onPath('write', '/home/u/.bashrc'));
    expect([effect, rule?.id, tier, words.length]).toEqual(['deny', 'rc', 'standard', 1]);
    expect(words[0]!.others.map((other) => other.id)).toEqual(['home', 'dots']);
    expect(words[0]!.breaches.map((breach) => breach.id)).toEqual(['never']);
    expect(words[0]!.fields).toEqual(['write', '/usr/bin/cat', '/home/u/.bashrc']);
    expect(rule).toMatchObject({ file: 'test.yaml', line: 1 });
  });

  it('shows every word that a call stands for, and that the oracle agrees', () => {
    const { effect, words } = explain(policy, onPath('rename', '/home/u/a', '/home/u/.bashrc'));
    expect(effect).toBe('deny');
    expect(words.map((word) => `${word.fields[0]} ${word.effect}`)).toEqual([
      'rename allow',
      'delete allow',
      'read allow',
      'write allow',
      'rename review',
      'create review',
      'write deny',
    ]);
    expect(words.every((word) => word.confirmed)).toBe(true);
  });

  it('says when no rule speaks', () => {
    expect(explain(policy, onPath('read', '/etc/x'))).toMatchObject({ effect: 'review', rule: null });
  });
});
