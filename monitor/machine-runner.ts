/**
 * Runs pipeline machines without an actor for each event. XState's actors cost about 20 µs to create and its
 * pure `transition` function builds one at every call; both go through the machine's own `transition` method,
 * which needs only an actor scope. One scope serves all events here, because no step outlives its call and the
 * machine neither spawns nor schedules.
 *
 * Promise: the same states and effects as `createActor(machine)` fed the same inputs (a test holds the two
 * together). What a guard throws is thrown to the caller and leaves nothing behind.
 */
import { createActor, type SnapshotFrom } from 'xstate';
import type { Case, Effect, PipelineMachine } from '../model/machine.ts';
import type { Input } from './judged.ts';

export type Snapshot = SnapshotFrom<PipelineMachine>;
type Scope = Parameters<PipelineMachine['transition']>[2];

export class MachineRunner {
  readonly #machine: PipelineMachine;
  readonly #scope: Scope;
  /** Effects of the step in progress; empty between steps. */
  #effects: Effect[] = [];

  constructor(machine: PipelineMachine) {
    this.#machine = machine;
    // Never started: it only lends its identity to the scope.
    const host = createActor(machine, { input: {} as Case });
    const nothing = () => {};
    this.#scope = {
      self: host,
      system: host.system,
      id: host.id,
      sessionId: host.sessionId,
      logger: nothing,
      defer: nothing,
      emit: nothing,
      stopChild: nothing,
      actionExecutor: ({ type, params }) => void this.#effects.push({ type, params } as Effect),
    };
  }

  /** The machine at rest before its first input. */
  begin(facts: Case): Snapshot {
    return this.#machine.resolveState({ value: 'waiting', context: facts });
  }

  /** One input; the next snapshot and the effects, in order. Inputs that the state does not await do nothing. */
  step(snapshot: Snapshot, input: Input): { snapshot: Snapshot; effects: readonly Effect[] } {
    if (snapshot.status !== 'active') return { snapshot, effects: [] };
    try {
      const next = this.#machine.transition(snapshot, input, this.#scope);
      return { snapshot: next, effects: this.#effects };
    } finally {
      this.#effects = [];
    }
  }
}
