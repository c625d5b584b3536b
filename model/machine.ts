/**
 * The pipeline: one machine for each event, from its arrival to its one answer.
 *
 *   waiting ── received ─▶ reviewing ── reviewed ─▶ recording ── recorded ─▶ released
 *      └──────────┴────────────┴──────────┴─────────────┴─────▶ denied
 *
 * Each transition is a list of rows, tried in order; the first whose guard holds decides. In `waiting` the rows
 * are the layers before the reviewer (policy, schema, trust, rate, prefilter), in `reviewing` the answer and
 * the constitution. Only the last row of each list leads on, so an allow has passed every row of every list,
 * and no row undoes a denial: `denied` is final.
 *
 * Promise: `released` is entered only from `recording`, on a record made in time; every state where something
 * is awaited goes to `denied` on `expired`, `unrecorded` and `failed`, so the monitor's timer alone ends it.
 * The machine is pure: it reads no clock (inputs carry their readings), does no I/O, and its context never
 * changes. What is to be done leaves it as named effects. It does not catch: a guard that throws throws out of
 * it, and the supervisor (monitor/judgement.ts) turns that into a denial.
 *
 * `released` is a resting state and not a final one, because the hook may still say that it had denied the event
 * by then (`expired`): the recorded allow is then withdrawn.
 */
import { setup } from 'xstate';
import type { FastPath } from './configuration.ts';
import type { Event } from './event.ts';
import { type Input, MONITOR_FAILED } from './input.ts';
import type { Layer, Effect as PolicyEffect } from './verdict.ts';

/** Why a layer refuses an event. */
export interface Refusal {
  readonly rule: string | null;
  readonly reason: string;
}

/** The layers around the reviewer. Each is a question: asking it twice gives the same answer. */
export interface Layers {
  schema(event: Event): Refusal | null;
  trust(event: Event): Refusal | null;
  /** `at`: when the monitor took the event up, ns. */
  rate(event: Event, at: number): Refusal | null;
  prefilter(event: Event): Refusal | null;
  constitution(event: Event): Refusal | null;
}

/** What is known of the event before the first input; never changes. */
export interface Case {
  readonly event: Event;
  /** What the policy's table says of it. */
  readonly policy: PolicyEffect;
  readonly fastPath: FastPath;
  /** Verdicts are recorded and not enforced; no reviewer is asked. */
  readonly observe: boolean;
}

/** What leaves the machine, in order. `layer` is the layer that decided. */
export type Effect =
  /** Ask the reviewer; a `reviewed` or `failed` input answers. */
  | { readonly type: 'ask' }
  /** Record the allow; a `recorded` or `unrecorded` input answers. */
  | { readonly type: 'record'; readonly params: { readonly layer: Layer } }
  /** Answer allow. */
  | { readonly type: 'release' }
  /** Answer deny, and record it. */
  | { readonly type: 'deny'; readonly params: { readonly layer: Layer } }
  /** Answer deny, though an allow stands recorded, and record that it was not released. */
  | { readonly type: 'withdraw'; readonly params: { readonly layer: Layer } };

interface Facts<T extends Input['type']> {
  readonly context: Case;
  readonly event: Extract<Input, { type: T }>;
}

/** No clock reading but one strictly before the deadline is in time: NaN is late. */
const inTime = (event: Event, at: number): boolean => at < event.deadline;

/** The machine over these layers. Build it once and run it for every event. */
export function pipelineMachine(layers: Layers) {
  const deny = (layer: Layer) => ({ target: 'denied' as const, actions: act('deny', layer) });
  const withdraw = (layer: Layer) => ({ target: 'denied' as const, actions: act('withdraw', layer) });
  const record = (layer: Layer) => ({ target: 'recording' as const, actions: act('record', layer) });
  const failures = {
    failed: [{ guard: 'monitorFailed', ...deny('monitor') }, deny('reviewer')],
    unrecorded: deny('audit'),
    expired: deny('deadline'),
  } as const;

  return setup({
    types: {} as { context: Case; input: Case; events: Input },
    guards: {
      late: ({ context, event }) => !inTime(context.event, event.at),
      // What the policy says, and who may act on it.
      contradictsHook: ({ context }) => context.fastPath === 'native' && context.policy !== 'review',
      policyDenies: ({ context }) => context.policy === 'deny' && context.fastPath !== 'reviewer',
      policyAllows: ({ context }) => context.policy === 'allow' && context.fastPath === 'monitor',
      waitsItsTurn: ({ context }) => context.policy !== 'review' && context.fastPath === 'reviewer',
      policyDeniesInTurn: ({ context }) => context.policy === 'deny',
      policyAllowsInTurn: ({ context }) => context.policy === 'allow' && context.fastPath === 'reviewer',
      // The layers.
      schemaRefuses: ({ context }) => layers.schema(context.event) !== null,
      trustRefuses: ({ context }) => layers.trust(context.event) !== null,
      rateRefuses: ({ context, event }) => layers.rate(context.event, event.at) !== null,
      prefilterRefuses: ({ context }) => layers.prefilter(context.event) !== null,
      constitutionRefuses: ({ context }) => layers.constitution(context.event) !== null,
      observing: ({ context }) => context.observe,
      // The answer.
      reviewerDenies: ({ event }) => (event as Facts<'reviewed'>['event']).answer.verdict !== 'allow',
      monitorFailed: ({ event }) => (event as Facts<'failed'>['event']).error === MONITOR_FAILED,
    },
    actions: {
      // Effects are collected by whoever runs the machine; here they only have names.
      ask: () => {},
      record: (_, _params: { layer: Layer }) => {},
      release: () => {},
      deny: (_, _params: { layer: Layer }) => {},
      withdraw: (_, _params: { layer: Layer }) => {},
    },
  }).createMachine({
    id: 'pipeline',
    context: ({ input }) => input,
    initial: 'waiting',
    states: {
      waiting: {
        on: {
          received: [
            { guard: 'contradictsHook', ...deny('monitor') },
            { guard: 'policyDenies', ...deny('policy') },
            { guard: 'late', ...deny('deadline') },
            { guard: 'policyAllows', ...record('policy') },
            { guard: 'waitsItsTurn', target: 'reviewing', actions: 'ask' },
            { guard: 'schemaRefuses', ...deny('schema') },
            { guard: 'trustRefuses', ...deny('trust') },
            { guard: 'rateRefuses', ...deny('rate') },
            { guard: 'prefilterRefuses', ...deny('prefilter') },
            { guard: 'observing', ...deny('reviewer') },
            { target: 'reviewing', actions: 'ask' },
          ],
          ...failures,
        },
      },
      reviewing: {
        on: {
          reviewed: [
            { guard: 'policyDeniesInTurn', ...deny('policy') },
            { guard: 'late', ...deny('deadline') },
            { guard: 'policyAllowsInTurn', ...record('policy') },
            { guard: 'reviewerDenies', ...deny('reviewer') },
            { guard: 'constitutionRefuses', ...deny('constitution') },
            record('reviewer'),
          ],
          ...failures,
        },
      },
      recording: {
        on: {
          recorded: [
            { guard: 'late', ...withdraw('deadline') },
            { target: 'released', actions: 'release' },
          ],
          failed: withdraw('monitor'),
          unrecorded: withdraw('audit'),
          expired: withdraw('deadline'),
        },
      },
      released: { on: { expired: withdraw('deadline') } },
      denied: { type: 'final' },
    },
  });
}

function act<T extends 'record' | 'deny' | 'withdraw'>(type: T, layer: Layer) {
  return { type, params: { layer } } as const;
}

export type PipelineMachine = ReturnType<typeof pipelineMachine>;
