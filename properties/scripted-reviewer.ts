/**
 * A reviewer that does what the scenario says about each event, right or wrong. Kind `exec` goes through the real
 * wire protocol to a scripted child, `none` is the real one, and `human` breaks the reviewer contract itself. It is
 * the witness of whom it was asked about and of what was said. Owner of all state: the running scenario.
 */
import type { Clock } from '../monitor/clock.ts';
import {
  type ReviewAnswer,
  type Reviewer,
  ReviewerError,
  type ReviewRequest,
} from '../monitor/reviewers/contract.ts';
import { noReviewer } from '../monitor/reviewers/none.ts';
import { Wire } from '../monitor/reviewers/wire.ts';
import type { Asked, Said } from './history.ts';
import { type Behaviour, length, type Plan, type Scenario } from './scenario.ts';
import { behave } from './scripted-child.ts';

/** What a broken reviewer returns in place of an answer. */
const GARBAGE = { verdict: 'ALLOW', reason: 42 } as unknown as ReviewAnswer;
const NOTHING = undefined as unknown as ReviewAnswer;

export interface Surroundings {
  readonly clock: Clock;
  readonly step: () => number;
  /** Resolves `delay` ns later, or still later. */
  readonly pause: (delay: number, what: string) => Promise<void>;
  readonly planOf: (n: number) => Plan | undefined;
  readonly onAnomaly: (what: string, detail: string) => void;
}

export class ScriptedReviewer implements Reviewer {
  readonly name: string;
  readonly asked: Asked[] = [];
  readonly said: Said[] = [];
  readonly #scenario: Scenario;
  readonly #around: Surroundings;
  readonly #wire: Wire;

  constructor(scenario: Scenario, around: Surroundings) {
    this.name = scenario.reviewer;
    this.#scenario = scenario;
    this.#around = around;
    this.#wire = new Wire({
      left: ({ deadline }) => deadline - around.clock.now(),
      send: (line) => {
        const { id } = JSON.parse(line) as { id: string };
        void this.#inTime(Number(id)).then((behaviour) => {
          if (behaviour !== null) behave(this.#wire, id, behaviour);
        });
        return true;
      },
      onViolation: () => {},
      onAnomaly: around.onAnomaly,
    });
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    const { n } = request.event;
    const { clock, step, planOf } = this.#around;
    this.asked.push({ n, at: clock.now(), step: step() });
    switch (this.#scenario.reviewer) {
      case 'none':
        this.#say(n, 'deny');
        return noReviewer.review(request, signal);
      case 'exec':
        return this.#wire.review(request, signal);
      case 'human':
        if (planOf(n)?.reviewer !== 'throws') return this.#answer(n);
        this.#say(n, 'throws');
        throw new Error('the reviewer threw');
    }
  }

  async #answer(n: number): Promise<ReviewAnswer> {
    switch (await this.#inTime(n)) {
      case 'allow':
        return { verdict: 'allow', reason: 'as scripted' };
      case 'deny':
        return { verdict: 'deny', reason: 'as scripted' };
      case null:
        return new Promise(() => {});
      case 'malformed':
        return GARBAGE;
      case 'nothing':
        return NOTHING;
      case 'dies':
        throw new ReviewerError('ended', 'the reviewer ended');
      default:
        throw new Error('the reviewer failed');
    }
  }

  /** What is done about event `n`, once it is time; null for ever silent. */
  async #inTime(n: number): Promise<Behaviour | null> {
    const plan = this.#around.planOf(n);
    if (plan === undefined || plan.reviewer === 'never') return null;
    await this.#around.pause(length(plan.after, this.#scenario.deadline), `reviewer on ${n}`);
    this.#say(n, plan.reviewer);
    return plan.reviewer;
  }

  #say(n: number, behaviour: Behaviour): void {
    const what = behaviour === 'allow' || behaviour === 'deny' ? behaviour : 'failure';
    this.said.push({ n, at: this.#around.clock.now(), step: this.#around.step(), what });
  }
}
