/**
 * Mutants of the pipeline machine, one planted bug each, for the exploration to catch: every guarded row of
 * every list left out, every awaited input of every state unheard, every denial turned into a release. Made from
 * the machine's own definition, so a new row gets its mutants by itself.
 */
import { StateMachine } from 'xstate';
import { type Layers, type PipelineMachine, pipelineMachine } from '../model/machine.ts';

export interface MachineMutant {
  /** `without waiting.received[policyDenies]` */
  readonly name: string;
  readonly machineOf: (layers: Layers) => PipelineMachine;
}

interface Row {
  guard?: string;
  target?: string;
  actions?: unknown;
}
type Inputs = Record<string, Row | Row[]>;
type States = Record<string, { on?: Inputs; type?: string }>;
type Edit = (states: States) => void;

/** All mutants; each differs from the machine in exactly one place. */
export function machineMutants(): MachineMutant[] {
  const mutants: MachineMutant[] = [];
  const add = (name: string, edit: Edit) => mutants.push({ name, machineOf: mutated(edit) });
  const nothing = {} as Layers;
  for (const [state, { on = {} }] of Object.entries(statesOf(pipelineMachine(nothing))))
    for (const [input, rows] of Object.entries(on)) {
      add(`${state} does not hear ${input}`, (states) => {
        delete states[state]!.on![input];
      });
      for (const [i, row] of [rows].flat().entries()) {
        const place = `${state}.${input}[${row.guard ?? 'otherwise'}]`;
        if (row.guard !== undefined)
          add(`without ${place}`, (states) => {
            (states[state]!.on![input] as Row[]).splice(i, 1);
          });
        if (row.target === 'denied')
          add(`${place} releases`, (states) => {
            const released = { ...row, target: 'released', actions: 'release' };
            const list = [states[state]!.on![input]!].flat();
            list[i] = released;
            states[state]!.on![input] = list;
          });
      }
    }
  return mutants;
}

function mutated(edit: Edit): (layers: Layers) => PipelineMachine {
  return (layers) => {
    const machine = pipelineMachine(layers);
    const states = structuredClone(statesOf(machine));
    edit(states);
    const config = { ...machine.config, states };
    return new StateMachine(config as never, machine.implementations as never) as unknown as PipelineMachine;
  };
}

/** The states as defined; plain data. */
function statesOf(machine: PipelineMachine): States {
  return machine.config.states as States;
}
