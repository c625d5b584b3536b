/** The machine explored to the end, and the exploration held to account by mutants. */
import { describe, expect, it } from 'vitest';
import { explore } from '../../properties/exploration.ts';
import { machineMutants } from '../../properties/machine-mutants.ts';

describe('the pipeline machine', () => {
  const found = explore();

  it('keeps every rule in every configuration', () => {
    expect(found.violation).toBeNull();
    expect(found.configurations).toBeGreaterThan(200);
  });
});

describe('the exploration', () => {
  const mutants = machineMutants();

  it('has a mutant for each row and input', () => {
    expect(mutants.length).toBeGreaterThan(40);
  });

  it.each(mutants)('catches: $name', ({ machineOf }) => {
    expect(explore(machineOf).violation).not.toBeNull();
  });
});
