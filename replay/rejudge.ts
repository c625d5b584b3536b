/**
 * Judging recorded events again, by the very code that judged them: the policy's table for what the fast path
 * decided, a Judgement of the monitor's for what was reviewed. Time is virtual: each input carries its recorded
 * clock reading, and an input that the record lacks gets the reading of the one before it.
 *
 * Promise (P8): under the recorded policy and reviewer, verdicts and audit payloads are those of the run.
 * Under another policy, an event that needs a review the run did not ask for is denied with MISSING.
 */

import type { CompiledPolicy } from '../model/policy/compile.ts';
import type { Verdict } from '../model/verdict.ts';
import type { FastPath, Payload } from '../monitor/audit/record.ts';
import { courtOf } from '../monitor/court.ts';
import type { Input, JudgedEvent } from '../monitor/judged.ts';
import { type Act, type Court, Judgement } from '../monitor/judgement.ts';
import { checkedAnswer } from '../monitor/reviewers/answer.ts';
import { type Reviewer, ReviewerError, type ReviewRequest } from '../monitor/reviewers/contract.ts';

export const MISSING = 'no answer is recorded: the recorded run did not ask';

/** One event judged again. */
export interface Replayed {
  readonly recorded: JudgedEvent;
  readonly verdict: Verdict;
  /** ns; when the replayed verdict stood. */
  readonly answered: number;
  /** The audit payloads the verdict makes, in order. */
  readonly payloads: readonly Payload[];
}

export interface Bench {
  readonly policy: CompiledPolicy;
  /** Whether `policy` is the one the run was under. */
  readonly samePolicy: boolean;
  readonly fastPath: FastPath;
  readonly observe: boolean;
  /** The recorded answers, given under this name; or someone to ask anew. */
  readonly reviewer: { readonly recorded: string } | Reviewer;
}

/** Owner of the rate limiter's state: judge reviewed events in order of arrival (order.ts). */
export class Rejudge {
  readonly #bench: Bench;
  readonly #court: Court;
  readonly #live: Reviewer | null;

  constructor(bench: Bench) {
    const { policy, fastPath, observe, reviewer } = bench;
    this.#bench = bench;
    this.#live = 'recorded' in reviewer ? null : reviewer;
    const name = 'recorded' in reviewer ? reviewer.recorded : reviewer.name;
    this.#court = courtOf(policy, { fastPath, observe, reviewer: name });
  }

  /** Judges one event again; a promise only where a live reviewer is asked. */
  judge(recorded: JudgedEvent): Replayed | Promise<Replayed> {
    // What the hook found out about caller and object is from outside, like an answer: it stands.
    if (recorded.fast && recorded.verdict.layer !== 'policy') return decided(recorded, recorded.verdict);
    const { samePolicy, fastPath } = this.#bench;
    if (recorded.fast || (!samePolicy && fastPath === 'native')) {
      const { effect, rule, reason } = this.#court.classify(recorded.event);
      if (effect !== 'review') return decided(recorded, { verdict: effect, layer: 'policy', rule, reason });
    }
    const trial = new Trial(this.#court, recorded);
    return this.#live === null ? this.#fromRecord(trial) : this.#anew(trial, this.#live);
  }

  #fromRecord(trial: Trial): Replayed {
    for (const input of this.#script(trial.recorded)) trial.feed(input);
    trial.conclude();
    return trial.outcome();
  }

  /** The recorded inputs, as far as they speak about this judgement. */
  #script({ event, fast, verdict, inputs }: JudgedEvent): readonly Input[] {
    if (fast) return [{ type: 'received', at: event.received }];
    // Behind the reviewer's queue, an event that policy had decided holds a turn and not an answer.
    const turn = !this.#bench.samePolicy && verdict.layer === 'policy';
    return turn ? inputs.filter((input) => input.type !== 'reviewed') : inputs;
  }

  async #anew(trial: Trial, reviewer: Reviewer): Promise<Replayed> {
    const [first] = this.#script(trial.recorded);
    trial.feed(first ?? { type: 'received', at: trial.recorded.event.received });
    if (trial.asked !== undefined) trial.feed(await ask(reviewer, trial.asked, trial));
    trial.conclude();
    return trial.outcome();
  }
}

/** An event that the fast path decides: no inputs, one payload. */
function decided(recorded: JudgedEvent, verdict: Verdict): Replayed {
  const { event, answered, enforced } = recorded;
  return {
    recorded,
    verdict,
    answered,
    payloads: [{ kind: 'decision', event, answered, enforced, ...verdict }],
  };
}

/** One judgement under way. */
class Trial {
  readonly recorded: JudgedEvent;
  /** What the reviewer is asked: null for a mere turn in its queue, undefined while nothing is asked. */
  asked: ReviewRequest | null | undefined;
  /** The last clock reading. */
  at: number;
  readonly #judgement: Judgement;
  /** Whether an allow waits for its record. */
  #recording = false;
  readonly #payloads: Payload[] = [];

  constructor(court: Court, recorded: JudgedEvent) {
    this.recorded = recorded;
    this.at = recorded.event.received;
    this.#judgement = new Judgement(court, recorded.event);
  }

  feed(input: Input): void {
    this.at = input.at;
    for (const act of this.#judgement.accept(input)) this.#perform(act);
  }

  /** Brings a judgement that the inputs left open to its end. */
  conclude(): void {
    const { at } = this;
    if (this.#judgement.settled) return;
    this.feed(
      this.#recording ? { type: 'recorded', at } : { type: 'failed', at, error: 'missing', message: MISSING },
    );
    if (!this.#judgement.settled) this.feed({ type: 'recorded', at });
  }

  outcome(): Replayed {
    const { verdict, answered } = this.#judgement.judged();
    return { recorded: this.recorded, verdict, answered, payloads: this.#payloads };
  }

  #perform(act: Act): void {
    if (act.do === 'append') this.#payloads.push(act.payload);
    else if (act.do === 'ask') this.asked = act.request;
    else if (act.do === 'commit') this.#recording = true;
  }
}

/** Asks a live reviewer. An answer takes no virtual time; waiting beyond the event's whole time is too long. */
async function ask(reviewer: Reviewer, request: ReviewRequest | null, trial: Trial): Promise<Input> {
  const { at } = trial;
  if (request === null)
    return { type: 'reviewed', at, answer: { verdict: 'deny', reason: 'decided by policy' } };
  const abort = new AbortController();
  const expired = Symbol('expired');
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<typeof expired>((resolve) => {
    timer = setTimeout(() => resolve(expired), Math.max(0, (request.event.deadline - at) / 1e6));
  });
  try {
    const answer = await Promise.race([reviewer.review(request, abort.signal), deadline]);
    if (answer === expired) return { type: 'expired', at: request.event.deadline };
    return { type: 'reviewed', at, answer: checkedAnswer(answer) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof ReviewerError) return { type: 'failed', at, error: error.kind, message };
    return { type: 'failed', at, error: 'failed', message: `the reviewer failed: ${message}` };
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
