/**
 * Exhaustive exploration of the pipeline machine under its supervisor: every configuration that any sequence of
 * inputs can reach, in time or late, repeated or out of order, well-formed or not, in every placement of the
 * fast path, with every layer passing, refusing or throwing.
 *
 * What a layer or the table says is chosen when it is first asked and then kept, so layers that are never
 * reached multiply nothing. Configurations are told apart by all that the checks below can see: the machine's
 * state, the facts chosen so far and the history of acts; there are finitely many, and every one is expanded
 * under every input. Hence the checks hold for sequences of any length.
 *
 * It proves nothing about clocks, trails and reviewers themselves: they are inputs here.
 */
import { FAST_PATHS, type FastPath } from '../model/configuration.ts';
import type { Event } from '../model/event.ts';
import { MONITOR_FAILED } from '../model/input.ts';
import { type Layers, type PipelineMachine, pipelineMachine } from '../model/machine.ts';
import { type Effect, LAYERS } from '../model/verdict.ts';
import type { Input } from '../monitor/judged.ts';
import { type Act, type Court, Judgement } from '../monitor/judgement.ts';
import { MachineRunner } from '../monitor/machine-runner.ts';

export interface Exploration {
  /** Distinct configurations found, and steps taken between them. */
  readonly configurations: number;
  readonly steps: number;
  /** States of the machine that were reached. */
  readonly states: ReadonlySet<string>;
  /** Layers that denied. */
  readonly layers: ReadonlySet<string>;
  /** The first violation met, with the shortest sequence that leads to it; null where all checks hold. */
  readonly violation: Violation | null;
}

export interface Violation {
  /** What must always hold, and does not. */
  readonly sentence: string;
  /** Placement and facts, then inputs, for a person. */
  readonly path: readonly string[];
}

/** Explores the machine that `machineOf` builds over any layers; the default is the real one. */
export function explore(machineOf: (layers: Layers) => PipelineMachine = pipelineMachine): Exploration {
  const found = { configurations: 0, steps: 0, states: new Set<string>(), layers: new Set<string>() };
  for (const fastPath of FAST_PATHS)
    for (const observe of [false, true]) {
      const violation = new Space(machineOf, fastPath, observe).search(found);
      if (violation !== null) return { ...found, violation };
    }
  const missed = [
    ...STATES.filter((state) => !found.states.has(state)),
    ...LAYERS.filter((layer) => layer !== 'hook' && !found.layers.has(layer)),
  ];
  if (missed.length === 0) return { ...found, violation: null };
  const sentence = `every state is reached and every layer denies somewhere; not so: ${missed.join(', ')}`;
  return { ...found, violation: { sentence, path: [] } };
}

const STATES = ['waiting', 'reviewing', 'recording', 'released', 'denied'];
const DEADLINE = 10;
const EVENT: Event = {
  n: 1,
  operation: 'write',
  also: [],
  object: { kind: 'path', path: '/x' },
  subject: { exe: '/bin/x', pid: 1 },
  received: 0,
  deadline: DEADLINE,
};

/** Everything that may be thrown at a judgement; some of it only looks like an input. */
const INPUTS: readonly Input[] = [
  ...[5, DEADLINE, Number.NaN].flatMap((at): Input[] => [
    { type: 'received', at },
    { type: 'reviewed', at, answer: { verdict: 'allow', reason: 'r' } },
    { type: 'recorded', at },
  ]),
  { type: 'reviewed', at: 5, answer: { verdict: 'deny', reason: 'r' } },
  { type: 'reviewed', at: 5, answer: { verdict: 'ALLOW' as 'allow', reason: 'r' } },
  { type: 'reviewed', at: 5, answer: undefined as never },
  { type: 'failed', at: 5, error: 'malformed', message: 'm' },
  { type: 'failed', at: 5, error: MONITOR_FAILED, message: 'm' },
  { type: 'unrecorded', at: 5, message: 'm' },
  { type: 'expired', at: DEADLINE },
  // A timer that fires early, and what XState would take for its own.
  { type: 'expired', at: 5 },
  { type: 'xstate.after.1000.pipeline.reviewing', at: 5 } as never,
  { type: 'xstate.stop', at: 5 } as never,
  { type: '*', at: 5 } as never,
  undefined as never,
];

type Fact = 'policy' | keyof Layers;
type Facts = ReadonlyMap<Fact, string>;
const CHOICES = (fact: Fact): readonly string[] =>
  fact === 'policy' ? ['allow', 'review', 'deny', 'throws'] : ['passes', 'refuses', 'throws'];

/** How a configuration was reached. */
interface Node {
  readonly facts: Facts;
  readonly inputs: readonly Input[];
}

interface Successor extends Node {
  readonly key: string;
  readonly state: string;
  readonly deniedBy: string | null;
  readonly violation: string | null;
}

/** The configurations of one placement. Owner of everything it holds: one search. */
class Space {
  readonly #fastPath: FastPath;
  readonly #observe: boolean;
  readonly #court: Court;
  /** The facts of the run in progress, and the runs still to be made for the choices not taken. */
  #facts = new Map<Fact, string>();
  #branches: Map<Fact, string>[] = [];

  constructor(machineOf: (layers: Layers) => PipelineMachine, fastPath: FastPath, observe: boolean) {
    this.#fastPath = fastPath;
    this.#observe = observe;
    const layer = (fact: Fact) => () => {
      const answer = this.#ask(fact);
      if (answer === 'throws') throw new Error(`${fact} threw`);
      return answer === 'passes' ? null : { rule: null, reason: 'refused' };
    };
    const layers: Layers = {
      schema: layer('schema'),
      trust: layer('trust'),
      rate: layer('rate'),
      prefilter: layer('prefilter'),
      constitution: layer('constitution'),
    };
    const classify = () => {
      const effect = this.#ask('policy');
      if (effect === 'throws') throw new Error('the table threw');
      return { effect: effect as Effect, rule: null, reason: 'by rule' };
    };
    const runner = new MachineRunner(machineOf(layers));
    const spend = () => {};
    this.#court = { runner, layers, classify, spend, fastPath, observe, strict: false, reviewer: 'explored' };
  }

  /** Breadth first, so that the first violation has the shortest path. Adds what it saw to `found`. */
  search(found: { configurations: number; steps: number; states: Set<string>; layers: Set<string> }) {
    const seen = new Set<string>();
    let layer: Node[] = [{ facts: new Map(), inputs: [] }];
    while (layer.length > 0) {
      const nextLayer: Node[] = [];
      for (const node of layer)
        for (const input of INPUTS)
          for (const next of this.#successors(node, input)) {
            found.steps += 1;
            found.states.add(next.state);
            if (next.deniedBy !== null) found.layers.add(next.deniedBy);
            if (next.violation !== null) return { sentence: next.violation, path: this.#describe(next) };
            if (seen.has(next.key)) continue;
            seen.add(next.key);
            found.configurations += 1;
            nextLayer.push(next);
          }
      layer = nextLayer;
    }
    return null;
  }

  /** Runs `node` and then `input`, once for each choice of the facts that are asked for on the way. */
  *#successors(node: Node, input: Input): Generator<Successor> {
    this.#branches = [new Map(node.facts)];
    for (let facts = this.#branches.pop(); facts !== undefined; facts = this.#branches.pop()) {
      this.#facts = facts;
      yield this.#run(facts, [...node.inputs, input]);
    }
  }

  #run(facts: Facts, inputs: readonly Input[]): Successor {
    const history = new History(this.#fastPath, this.#observe, facts);
    const judgement = new Judgement(this.#court, EVENT);
    let violation: string | null = null;
    for (const input of inputs) {
      const settled = judgement.settled;
      const acts = judgement.accept(input);
      violation ??= history.check(input, acts, settled, judgement);
    }
    const { state, settled } = judgement;
    const { verdict } = judgement.judged();
    const deniedBy = settled && verdict.verdict === 'deny' ? verdict.layer : null;
    // A machine that has ended asks for no facts any more.
    const known = state === 'denied' ? [] : [...facts].sort();
    const key = JSON.stringify([state, known, history.flags, verdict]);
    return { facts, inputs, key, state, deniedBy, violation };
  }

  /** Says what is known of `fact`, or takes the first choice and leaves the others for later runs. */
  #ask(fact: Fact): string {
    const known = this.#facts.get(fact);
    if (known !== undefined) return known;
    const [first, ...others] = CHOICES(fact);
    for (const other of others) this.#branches.push(new Map(this.#facts).set(fact, other));
    this.#facts.set(fact, first!);
    return first!;
  }

  #describe({ facts, inputs }: Node): string[] {
    const chosen = [...facts].map(([fact, choice]) => `${fact} ${choice}`).join(', ');
    return [
      `fast path ${this.#fastPath}${this.#observe ? ', observing' : ''}`,
      `facts: ${chosen}`,
      ...inputs.map((input) => `input: ${JSON.stringify(input)}`),
    ];
  }
}

/** What has come out so far, and what must hold of it. Each check is a sentence. */
class History {
  readonly flags = {
    answers: [] as string[],
    appended: [] as string[],
    asked: false,
    /** The input on which the allow was recorded; null while none is. */
    recordedOn: null as string | null,
  };
  readonly #fastPath: FastPath;
  readonly #observe: boolean;
  readonly #facts: Facts;

  constructor(fastPath: FastPath, observe: boolean, facts: Facts) {
    this.#fastPath = fastPath;
    this.#observe = observe;
    this.#facts = facts;
  }

  /** Takes the acts that `input` brought; the violated sentence, or null. */
  check(input: Input, acts: readonly Act[], wasSettled: boolean, judgement: Judgement): string | null {
    const { flags } = this;
    for (const act of acts) {
      const wrong = this.#act(input, act);
      if (wrong !== null) return wrong;
    }
    const { verdict } = judgement.judged();
    if (flags.answers.length > 1) return 'an event is answered at most once';
    if (judgement.settled !== (flags.answers.length === 1)) return 'settled means answered';
    if (wasSettled && acts.some((act) => act.do !== 'append'))
      return 'nothing is done after the answer but records';
    if (!wasSettled && ENDINGS.includes(input?.type) && !judgement.settled)
      return 'a deadline, a failed trail and a failure each end the wait';
    if (judgement.settled) return this.#settled(input, wasSettled, verdict);
    return null;
  }

  #act(input: Input, act: Act): string | null {
    const { flags } = this;
    switch (act.do) {
      case 'append':
        flags.appended.push(act.payload.kind);
        return null;
      case 'ask':
        if (flags.asked) return 'a reviewer is asked at most once';
        flags.asked = true;
        if (!this.#beforeDeadline(input)) return 'no reviewer is asked after the deadline';
        if (act.request === null)
          return this.#decidedByPolicy ? null : 'only what policy has decided merely waits';
        if (this.#observe) return 'observing asks no reviewer';
        if (this.#decidedByPolicy) return 'a reviewer sees only what policy put up for review';
        return this.#passed(BEFORE_REVIEW)
          ? null
          : 'a reviewer sees only what every layer before it let pass';
      case 'commit':
        flags.recordedOn = this.#beforeDeadline(input) ? input.type : `${input.type}, late`;
        if (!flags.appended.includes(this.#decidedByPolicy ? 'decision' : 'verdict'))
          return 'an allow is recorded before it is committed';
        return this.#mayAllow(input) ? null : 'an allow is recorded only with every reason for it';
      case 'answer':
        flags.answers.push(act.verdict);
        if (act.verdict === 'deny') return this.#observe ? 'observing denies nothing' : null;
        if (this.#observe) return null;
        if (input.type !== 'recorded' || !this.#beforeDeadline(input))
          return 'an allow is given only on a record made before the deadline';
        return flags.recordedOn === null ? 'an allow is given only after it was recorded' : null;
    }
  }

  #settled(input: Input, wasSettled: boolean, verdict: { verdict: string; layer: string }): string | null {
    const { flags } = this;
    const records = flags.appended.filter((kind) => kind === 'verdict' || kind === 'decision');
    if (records.length !== 1) return 'each event has exactly one record of its verdict';
    if (records[0] === 'verdict' && flags.appended[0] !== 'review')
      return 'a review is recorded before its verdict';
    const withdrawn = flags.appended.includes('late');
    if (withdrawn !== (flags.recordedOn !== null && verdict.verdict === 'deny'))
      return 'a recorded allow that is not released is recorded as late';
    if (!this.#observe && !withdrawn && verdict.verdict !== flags.answers[0])
      return 'the verdict is what was answered';
    if (input?.type === 'expired' && flags.recordedOn !== null && verdict.verdict === 'allow')
      return 'an allow that the hook refused is withdrawn';
    if (wasSettled || verdict.verdict === 'allow') return null;
    if (input.type === 'failed' && input.error === MONITOR_FAILED && verdict.layer !== 'monitor')
      return 'a failure of the monitor is not blamed on a reviewer';
    if (this.#decidedByPolicy && REVIEW_LAYERS.includes(verdict.layer) && input.type !== 'failed')
      return 'layers around the reviewer judge only what policy put up for review';
    return null;
  }

  /** True where policy alone decides: the event is no review in this placement. */
  get #decidedByPolicy(): boolean {
    const policy = this.#facts.get('policy');
    if (this.#fastPath === 'native' || policy === 'throws') return false;
    return policy === 'deny' || (policy === 'allow' && this.#fastPath !== 'off');
  }

  /** Every reason for an allow, taken from the facts and from `input`, on which it is recorded. */
  #mayAllow(input: Input): boolean {
    if (!this.#beforeDeadline(input)) return false;
    const policy = this.#facts.get('policy');
    if (policy === 'allow' && (this.#fastPath === 'monitor' || this.#fastPath === 'reviewer')) return true;
    if (policy !== 'review' && !(policy === 'allow' && this.#fastPath === 'off')) return false;
    const allowed = input.type === 'reviewed' && input.answer?.verdict === 'allow';
    return allowed && this.flags.asked && this.#passed([...BEFORE_REVIEW, 'constitution']);
  }

  #passed(facts: readonly Fact[]): boolean {
    return facts.every((fact) => this.#facts.get(fact) === 'passes');
  }

  #beforeDeadline(input: Input): boolean {
    return input.at < DEADLINE;
  }
}

const BEFORE_REVIEW: readonly Fact[] = ['schema', 'trust', 'rate', 'prefilter'];
const REVIEW_LAYERS: readonly string[] = [...BEFORE_REVIEW, 'constitution', 'reviewer'];
const ENDINGS: readonly (string | undefined)[] = ['failed', 'unrecorded', 'expired'];
