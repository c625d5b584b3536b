/**
 * The wire protocol of exec reviewers, without a process: one JSON line per review out, one JSON line per answer
 * in. Bytes go in by `receive`, lines go out by the `send` that the owner gives.
 *
 *   → {"id","deadline_ms","event":{"n","operation","also","object","subject":{…}},"rule","reason"}
 *   ← {"id","verdict":"allow"|"deny","reason"}       any further keys are kept as facts
 *
 * Every way to break it denies, each with a reason of its own. What can be blamed on lateness alone, an answer
 * for an id whose deadline has passed, is ignored and told as an anomaly. Everything else (a line that is not
 * such an answer, a second answer, an id never asked, a line longer than MAX_LINE) is a violation: the reviewer
 * is not to be trusted any further, so all that waits and all later reviews are denied, saying why, and
 * `onViolation` lets the owner stop the child. Answers that arrive in the same piece as a violation count for
 * nothing.
 *
 * Bounds: a line of at most MAX_LINE bytes in, a request of at most MAX_REQUEST characters out, and the memory
 * of FORGOTTEN_AFTER past ids; an older one counts as unknown.
 */
import type { Event } from '../../model/event.ts';
import { checkedAnswer } from './answer.ts';
import { type ReviewAnswer, ReviewerError, type ReviewRequest } from './contract.ts';
import { Lines } from './lines.ts';

/** Bytes. */
export const MAX_LINE = 64 * 1024;
/** UTF-16 units. */
export const MAX_REQUEST = 4 << 20;
const FORGOTTEN_AFTER = 8192;

/** Time left until the event's deadline, ns. */
export type TimeLeft = (event: Event) => number;

export interface WireOptions {
  readonly left: TimeLeft;
  /** Sends a line. False where the reviewer does not read: the review is then denied. */
  readonly send: (line: string) => boolean;
  /** Told once. */
  readonly onViolation: (error: ReviewerError) => void;
  readonly onAnomaly?: (what: string, detail: string) => void;
}

interface InFlight {
  resolve(answer: ReviewAnswer): void;
  reject(error: ReviewerError): void;
}

export class Wire {
  readonly #options: WireOptions;

  // Owner of all of the following: this object.
  readonly #inFlight = new Map<string, InFlight>();
  /** What became of past ids, oldest first. */
  readonly #past = new Map<string, 'answered' | 'expired'>();
  /** Why nothing is asked any more; null while the reviewer is trusted. */
  #closed: ReviewerError | null = null;
  readonly #lines = new Lines(MAX_LINE);

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** Reviews that wait for an answer. */
  get waiting(): number {
    return this.#inFlight.size;
  }

  /** Asks; rejects with a ReviewerError, among others when `signal` aborts. */
  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const { event, rule, reason } = request;
    const id = String(event.n);
    const deadline_ms = Math.floor(this.#options.left(event) / 1e6);
    if (signal.aborted || deadline_ms <= 0) return Promise.reject(missing());
    const line = `${JSON.stringify({ id, deadline_ms, event, rule, reason })}\n`;
    if (line.length > MAX_REQUEST)
      return Promise.reject(new ReviewerError('overloaded', 'the event is too large to put to the reviewer'));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#inFlight.delete(id);
        this.#remember(id, 'expired');
        reject(missing());
      };
      const free = (): void => signal.removeEventListener('abort', onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
      const settle = { resolve, reject };
      this.#inFlight.set(id, {
        resolve(answer) {
          free();
          settle.resolve(answer);
        },
        reject(error) {
          free();
          settle.reject(error);
        },
      });
      if (this.#options.send(line)) return;
      const unsent = this.#inFlight.get(id);
      this.#inFlight.delete(id);
      unsent?.reject(new ReviewerError('overloaded', 'the reviewer does not read its reviews'));
    });
  }

  /** Takes bytes from the reviewer, cut anywhere. */
  receive(piece: Uint8Array): void {
    if (this.#closed !== null) return;
    const answers = new Map<string, ReviewAnswer>();
    try {
      for (const line of this.#lines.take(piece)) this.#take(line, answers);
    } catch (error) {
      this.#violated(asViolation(error), [...answers.keys()]);
      return;
    }
    for (const [id, answer] of answers) {
      const waiting = this.#inFlight.get(id)!;
      this.#inFlight.delete(id);
      this.#remember(id, 'answered');
      waiting.resolve(answer);
    }
  }

  /** The reviewer has ended, or nobody listens to it any more: all that waits or comes is denied. */
  close(reason: string): void {
    this.#close(new ReviewerError('ended', reason));
  }

  /** Puts the line's answer into `answers`; throws where the line is a violation. */
  #take(line: string, answers: Map<string, ReviewAnswer>): void {
    const { id, ...said } = parsed(line);
    if (typeof id !== 'string') throw malformed('its id is not a string');
    if (answers.has(id) || this.#past.get(id) === 'answered')
      throw new ReviewerError('duplicate', `the reviewer answered review ${shown(id)} twice`);
    if (this.#past.get(id) === 'expired') {
      this.#past.set(id, 'answered');
      this.#options.onAnomaly?.(
        'late-answer',
        `the reviewer answered review ${shown(id)} after its deadline`,
      );
      return;
    }
    if (!this.#inFlight.has(id))
      throw new ReviewerError('unknown-id', `the reviewer answered ${shown(id)}, which it was not asked`);
    const { verdict, reason, ...facts } = said;
    answers.set(id, checkedAnswer(Object.keys(facts).length === 0 ? said : { verdict, reason, facts }));
  }

  /** `others` answered in the same piece; that counts for nothing. */
  #violated(error: ReviewerError, others: readonly string[]): void {
    for (const id of others) {
      // A duplicate is as much this id's own fault as anything in the piece; the reason is the same.
      const waiting = this.#inFlight.get(id);
      this.#inFlight.delete(id);
      waiting?.reject(error);
    }
    this.#close(new ReviewerError(error.kind, `the reviewer was stopped: ${error.message}`));
    this.#options.onViolation(error);
  }

  #close(error: ReviewerError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#lines.clear();
    const waiting = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const { reject } of waiting) reject(error);
  }

  #remember(id: string, what: 'answered' | 'expired'): void {
    this.#past.set(id, what);
    if (this.#past.size <= FORGOTTEN_AFTER) return;
    const [oldest] = this.#past.keys();
    this.#past.delete(oldest!);
  }
}

/** What `receive` may throw: a violation, or a line that is too long. */
function asViolation(error: unknown): ReviewerError {
  if (error instanceof ReviewerError) return error;
  return new ReviewerError('overloaded', `the reviewer wrote ${(error as Error).message}`);
}

function parsed(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw malformed('it is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('it is not an object');
  return value as Record<string, unknown>;
}

/** An id as it may stand in a message. */
const shown = (id: string): string => JSON.stringify(id.slice(0, 40));

const malformed = (what: string): ReviewerError =>
  new ReviewerError('malformed', `the reviewer wrote a malformed line: ${what}`);

const missing = (): ReviewerError => new ReviewerError('missing', 'the reviewer gave no answer in time');
