/** What a compiled policy means to the judgements of a run: the table, the layers, and whose reasons are given. */
import type { Event } from '../model/event.ts';
import { pipelineMachine, type Refusal } from '../model/machine.ts';
import { type CompiledPolicy, ruleOf } from '../model/policy/compile.ts';
import { decide } from '../model/policy/decide.ts';
import type { Effect } from '../model/verdict.ts';
import type { FastPath } from './audit/record.ts';
import type { Court, Finding } from './judgement.ts';
import { constitution } from './layers/constitution.ts';
import { prefilter } from './layers/prefilter.ts';
import { RateLimiter } from './layers/rate.ts';
import { schema } from './layers/schema.ts';
import { rateOf, trust } from './layers/trust.ts';
import { MachineRunner } from './machine-runner.ts';

export interface CourtOptions {
  readonly fastPath: FastPath;
  readonly observe: boolean;
  /** The reviewer's name. */
  readonly reviewer: string;
}

/** A court of its own: the rate limiter's state belongs to it. */
export function courtOf(policy: CompiledPolicy, options: CourtOptions): Court {
  const rate = new RateLimiter((event) => rateOf(policy, event));
  const layers = {
    schema,
    trust: (event: Event) => trust(policy, event),
    rate: (event: Event, at: number) => rate.refusal(event, at),
    prefilter,
    constitution: (event: Event) => constitution(policy, event),
  };
  return {
    ...options,
    runner: new MachineRunner(pipelineMachine(layers)),
    layers,
    classify: (event) => classify(policy, event),
    spend: (event, at) => rate.spend(event, at),
    strict: policy.policy.durability === 'strict',
  };
}

/** What the policy's table says of an event. */
export function classify(policy: CompiledPolicy, event: Event): Finding {
  const { effect, rule } = decide(policy, event);
  return { effect, ...groundsOf(policy, rule, effect) };
}

/** Id and reason of a rule by its index in the compiled policy; null is the policy's default. */
export function groundsOf(policy: CompiledPolicy, index: number | null, effect: Effect): Refusal {
  const rule = ruleOf(policy, index);
  if (rule !== null) return { rule: rule.id, reason: rule.reason || `${effect} by rule` };
  return { rule: null, reason: `no rule speaks about it; the default is ${policy.policy.default}` };
}

/** Id of a rule by its index; null for the default. */
export function ruleId(policy: CompiledPolicy, index: number | null): string | null {
  return ruleOf(policy, index)?.id ?? null;
}
