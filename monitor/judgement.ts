/**
 * The judgement of one event: the pipeline machine, supervised, and what its effects mean.
 *
 * Inputs go in (`accept`), acts come out for the monitor to perform, in order. Everything here is a pure
 * function of event, policy and inputs, so replay runs the same judgements from recorded inputs and gets the
 * same verdicts and payloads (P8).
 *
 * Promises. Whatever throws while an input is taken (a layer, a guard, a malformed answer) becomes a denial by
 * the layer `monitor`; it never leaves the event unanswered. There is exactly one answer. Only inputs that
 * changed something are kept in `inputs`; in place of an input that made the monitor fail stands that failure.
 */
import type { Event } from '../model/event.ts';
import { isInput, MONITOR_FAILED, type ReviewAnswer } from '../model/input.ts';
import type { Effect, Layers, Refusal } from '../model/machine.ts';
import type { Layer, Effect as PolicyEffect, Verdict } from '../model/verdict.ts';
import type { FastPath, Payload } from './audit/record.ts';
import type { Input, JudgedEvent } from './judged.ts';
import type { MachineRunner, Snapshot } from './machine-runner.ts';
import { reviewDigest } from './review-digest.ts';
import type { ReviewRequest } from './reviewers/contract.ts';

/** What the policy's table says of an event, with the deciding rule's id and reason. */
export interface Finding {
  readonly effect: PolicyEffect;
  readonly rule: string | null;
  readonly reason: string;
}

/** What all judgements of a run share. */
export interface Court {
  readonly runner: MachineRunner;
  readonly layers: Layers;
  /** Walks the policy's table. */
  classify(event: Event): Finding;
  /** Takes the token of a review that is put to the reviewer. */
  spend(event: Event, at: number): void;
  readonly fastPath: FastPath;
  readonly observe: boolean;
  /** Every allow is put on stable storage before release, not only reviewed ones. */
  readonly strict: boolean;
  /** The reviewer's name, for the trail. */
  readonly reviewer: string;
}

/** What the monitor has to do. */
export type Act =
  | { readonly do: 'append'; readonly payload: Payload }
  /** Make what was appended durable (or, where `durable` is false, merely written) and say so by `recorded`. */
  | { readonly do: 'commit'; readonly durable: boolean }
  /** Ask the reviewer and answer by `reviewed` or `failed`. `request` is null where policy has decided and the
   * event only waits its turn behind the reviewer's queue. */
  | { readonly do: 'ask'; readonly request: ReviewRequest | null }
  /** Answer the hook. */
  | { readonly do: 'answer'; readonly verdict: 'allow' | 'deny' };

type VerdictPayload = Extract<Payload, { kind: 'verdict' | 'decision' }>;

/** What has come out so far; replaced and never changed, so that a step that fails leaves nothing behind. */
interface State {
  /** An allow may yet be withdrawn, a denial stands. */
  readonly verdict: Verdict | null;
  readonly answered: boolean;
  /** The review is on record. */
  readonly announced: boolean;
  /** What the reviewer was asked; null where none was. */
  readonly request: ReviewRequest | null;
}

const DOUBT: Finding = { effect: 'review', rule: null, reason: '' };

export class Judgement {
  readonly event: Event;
  /** The inputs so far that changed something, in order. */
  readonly inputs: Input[] = [];
  readonly #court: Court;
  readonly #finding: Finding;
  /** What classifying threw; the first input then fails. */
  readonly #flaw: unknown;
  #snapshot: Snapshot;
  #state: State = { verdict: null, answered: false, announced: false, request: null };
  /** The acts of the step in progress. */
  #acts: Act[] = [];

  constructor(court: Court, event: Event) {
    this.event = event;
    this.#court = court;
    let finding = DOUBT;
    try {
      finding = court.classify(event);
    } catch (error) {
      this.#flaw = error ?? 'unknown';
    }
    this.#finding = finding;
    const { fastPath, observe } = court;
    this.#snapshot = court.runner.begin({ event, policy: finding.effect, fastPath, observe });
  }

  /** True once the event is answered. */
  get settled(): boolean {
    return this.#state.answered;
  }

  /** The machine's state, by name. */
  get state(): string {
    return String(this.#snapshot.value);
  }

  /** Takes one input and returns what is to be done, in order; nothing where the input is not awaited. Never
   * throws. What is not an input at all is not taken either. */
  accept(input: Input): readonly Act[] {
    if (!isInput(input)) return [];
    try {
      if (this.#flaw !== undefined) throw this.#flaw;
      return this.#step(input);
    } catch (error) {
      return this.#fail(input.at, `the monitor failed: ${messageOf(error)}`);
    }
  }

  /** What observers are told; call when settled. `enforced` is false in observe mode. */
  judged(): JudgedEvent {
    const { event, inputs } = this;
    const verdict = this.#state.verdict ?? unanswered;
    const answered = inputs.at(-1)?.at ?? event.received;
    return { event, verdict, answered, enforced: !this.#court.observe, fast: false, inputs };
  }

  #step(input: Input): readonly Act[] {
    const { snapshot, effects } = this.#court.runner.step(this.#snapshot, input);
    if (snapshot === this.#snapshot) return [];
    const before = this.#state;
    this.#acts = [];
    try {
      for (const effect of effects) this.#mean(effect, input);
    } catch (error) {
      // The machine and everything here stay where they were; no act has been handed out.
      this.#state = before;
      throw error;
    }
    this.#snapshot = snapshot;
    this.inputs.push(input);
    return this.#acts;
  }

  /** The supervisor: the monitor failed at `at`. If even that cannot be told to the machine, deny outright. */
  #fail(at: number, message: string): readonly Act[] {
    if (this.#state.answered) return [];
    const input: Input = { type: 'failed', at, error: MONITOR_FAILED, message };
    try {
      const acts = this.#step(input);
      if (this.#state.answered) return acts;
    } catch {
      // Nothing in the way: the denial below needs neither machine nor layers.
    }
    this.inputs.push(input);
    this.#state = {
      ...this.#state,
      verdict: { verdict: 'deny', layer: 'monitor', rule: null, reason: message },
    };
    this.#acts = [];
    this.#answer('deny');
    this.#announce();
    this.#acts.push({ do: 'append', payload: this.#plainPayload(at) });
    return this.#acts;
  }

  /** Turns an effect of the machine into acts. */
  #mean(effect: Effect, input: Input): void {
    switch (effect.type) {
      case 'ask':
        this.#ask(input.at);
        break;
      case 'record': {
        const { layer } = effect.params;
        this.#decide('allow', layer, input);
        this.#announce();
        this.#acts.push({ do: 'append', payload: this.#payload(input.at, input) });
        this.#acts.push({ do: 'commit', durable: layer !== 'policy' || this.#court.strict });
        break;
      }
      case 'release':
        this.#answer('allow');
        break;
      case 'deny': {
        const { layer } = effect.params;
        this.#decide('deny', layer, input);
        this.#answer('deny');
        this.#announce();
        this.#acts.push({ do: 'append', payload: this.#payload(input.at, input) });
        break;
      }
      case 'withdraw': {
        const { layer } = effect.params;
        this.#decide('deny', layer, input);
        this.#answer('deny');
        this.#acts.push({ do: 'append', payload: { kind: 'late', n: this.event.n } });
        break;
      }
    }
  }

  #decide(verdict: 'allow' | 'deny', layer: Layer, input: Input): void {
    this.#state = { ...this.#state, verdict: { verdict, layer, ...this.#grounds(layer, input) } };
  }

  #ask(at: number): void {
    if (!this.#underReview) {
      this.#acts.push({ do: 'ask', request: null });
      return;
    }
    this.#announce();
    this.#court.spend(this.event, at);
    const { rule, reason } = this.#finding;
    const request = { event: this.event, rule, reason };
    this.#state = { ...this.#state, request };
    this.#acts.push({ do: 'ask', request });
  }

  /** In observe mode nothing is denied. Answers at most once. */
  #answer(verdict: 'allow' | 'deny'): void {
    if (this.#state.answered) return;
    this.#state = { ...this.#state, answered: true };
    this.#acts.push({ do: 'answer', verdict: this.#court.observe ? 'allow' : verdict });
  }

  /** Puts the review on record, once; events that policy decides have none. */
  #announce(): void {
    if (this.#state.announced || !this.#underReview) return;
    this.#state = { ...this.#state, announced: true };
    this.#acts.push({
      do: 'append',
      payload: { kind: 'review', event: this.event, rule: this.#finding.rule },
    });
  }

  /** Whether the event counts as a review: where the fast path acts on this side, only what it leaves open. */
  get #underReview(): boolean {
    const { effect } = this.#finding;
    switch (this.#court.fastPath) {
      case 'native':
        return true;
      case 'off':
        return effect !== 'deny';
      default:
        return effect === 'review';
    }
  }

  /** The verdict's record, with what the reviewer was asked and said. */
  #payload(answered: number, input: Input): Payload {
    const payload = this.#plainPayload(answered);
    const { request } = this.#state;
    if (payload.kind !== 'verdict' || request === null) return payload;
    const reviewer = { name: this.#court.reviewer, input: reviewDigest(request), ...saidIn(input) };
    return { ...payload, reviewer };
  }

  #plainPayload(answered: number): VerdictPayload {
    const verdict = this.#state.verdict!;
    const enforced = !this.#court.observe;
    if (this.#underReview) return { kind: 'verdict', n: this.event.n, answered, enforced, ...verdict };
    return { kind: 'decision', event: this.event, answered, enforced, ...verdict };
  }

  /** Rule and reason of a verdict that `layer` gives on `input`. */
  #grounds(layer: Layer, input: Input): Refusal {
    const { event } = this;
    const { layers } = this.#court;
    const { rule } = this.#finding;
    switch (layer) {
      case 'policy':
        return { rule, reason: this.#finding.reason };
      case 'schema':
        return layers.schema(event) ?? changed;
      case 'trust':
        return layers.trust(event) ?? changed;
      case 'rate':
        return layers.rate(event, input.at) ?? changed;
      case 'prefilter':
        return layers.prefilter(event) ?? changed;
      case 'constitution':
        return layers.constitution(event) ?? changed;
      case 'reviewer':
        return { rule, reason: reviewerReason(input) };
      case 'deadline':
        return { rule, reason: 'no answer before the deadline' };
      default:
        return { rule: null, reason: this.#failure(input) };
    }
  }

  #failure(input: Input): string {
    if (input.type === 'failed' || input.type === 'unrecorded') return input.message;
    return `the hook and the monitor disagree: put up for review, but policy says ${this.#finding.effect}`;
  }
}

const changed: Refusal = { rule: null, reason: 'a layer changed its mind' };
const unanswered: Verdict = { verdict: 'deny', layer: 'monitor', rule: null, reason: 'not answered' };

function reviewerReason(input: Input): string {
  if (input.type === 'reviewed') return input.answer.reason;
  if (input.type === 'failed') return input.message;
  return 'policy asks for a review; observing asks nobody';
}

/** What the reviewer said, or how it failed, as the trail keeps it. */
function saidIn(input: Input): Partial<ReviewAnswer> & { error?: string } {
  switch (input.type) {
    case 'reviewed':
      return input.answer;
    case 'failed':
      return input.error === MONITOR_FAILED ? {} : { error: input.error, reason: input.message };
    case 'expired':
      return { error: 'missing' };
    default:
      return {};
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
