/** The wire protocol of exec reviewers: every way to break it, cut into pieces anywhere. */
import { describe, expect, it } from 'vitest';
import { ReviewerError } from '../../monitor/reviewers/contract.ts';
import { MAX_LINE, Wire } from '../../monitor/reviewers/wire.ts';
import { eventOf } from './bench.ts';

const request = (n: number) => ({ event: eventOf(n), rule: 'look-first', reason: 'somebody should look' });

function setUp() {
  const sent: string[] = [];
  const violations: ReviewerError[] = [];
  const anomalies: string[] = [];
  let reads = true;
  const wire = new Wire({
    left: ({ deadline }) => deadline,
    send: (line) => {
      if (reads) sent.push(line);
      return reads;
    },
    onViolation: (error) => violations.push(error),
    onAnomaly: (what) => anomalies.push(what),
  });
  const aborts = new Map<number, AbortController>();
  /** The outcome of a review in one word: the verdict, or the kind of error. */
  const outcomes = new Map<number, string>();
  const ask = (n: number): void => {
    const abort = new AbortController();
    aborts.set(n, abort);
    wire.review(request(n), abort.signal).then(
      ({ verdict }) => outcomes.set(n, verdict),
      (error: unknown) => outcomes.set(n, error instanceof ReviewerError ? error.kind : 'throw'),
    );
  };
  const says = async (text: string): Promise<void> => {
    wire.receive(Buffer.from(text));
    await new Promise(setImmediate);
  };
  return {
    wire,
    sent,
    violations,
    anomalies,
    aborts,
    outcomes,
    ask,
    says,
    deafen: () => {
      reads = false;
    },
  };
}

const answer = (id: unknown, verdict: unknown = 'allow', more: object = {}): string =>
  `${JSON.stringify({ id, verdict, reason: 'because', ...more })}\n`;

describe('a proper exchange', () => {
  it('puts one line for each review and takes one for each answer, in any order', async () => {
    const { ask, says, sent, outcomes, violations } = setUp();
    ask(1);
    ask(2);
    expect(sent).toHaveLength(2);
    expect(JSON.parse(sent[0]!)).toEqual({
      id: '1',
      deadline_ms: 4000,
      event: eventOf(1),
      rule: 'look-first',
      reason: 'somebody should look',
    });
    await says(answer('2', 'deny') + answer('1'));
    expect([...outcomes]).toEqual([
      [2, 'deny'],
      [1, 'allow'],
    ]);
    expect(violations).toEqual([]);
  });

  it('takes bytes cut anywhere', async () => {
    const { ask, says, outcomes } = setUp();
    ask(1);
    for (const char of answer('1', 'allow', { reason: 'größer' }).split('')) await says(char);
    expect(outcomes.get(1)).toBe('allow');
  });

  it('keeps further keys as facts', async () => {
    const { wire, says } = setUp();
    const reply = wire.review(request(1), new AbortController().signal);
    await says(answer('1', 'allow', { model: 'm', score: 0.5 }));
    expect(await reply).toEqual({ verdict: 'allow', reason: 'because', facts: { model: 'm', score: 0.5 } });
  });

  it('writes strings that are not UTF-8 as JSON escapes', () => {
    const { wire, sent } = setUp();
    const event = eventOf(1, { path: '/srv/\udcff"\n' });
    wire.review({ event, rule: null, reason: '' }, new AbortController().signal).catch(() => {});
    expect(sent[0]).toContain('\\udcff');
    expect(sent[0]!.indexOf('\n')).toBe(sent[0]!.length - 1);
    expect(JSON.parse(sent[0]!).event.object.path).toBe('/srv/\udcff"\n');
  });
});

describe('violations deny everything that waits and comes, and are told once', () => {
  it.each([
    ['not JSON', 'yes\n', 'malformed'],
    ['an empty line', '\n', 'malformed'],
    ['JSON that is no object', '"allow"\n', 'malformed'],
    ['a list', '[]\n', 'malformed'],
    ['no id', '{"verdict":"allow","reason":""}\n', 'malformed'],
    ['a number for an id', answer(1), 'malformed'],
    ['another verdict', answer('1', 'ALLOW'), 'malformed'],
    ['a list of verdicts', answer('1', ['allow']), 'malformed'],
    ['no reason', '{"id":"1","verdict":"allow"}\n', 'malformed'],
    ['an id that was not asked', answer('77'), 'unknown-id'],
    ['the id of a prototype', answer('__proto__'), 'unknown-id'],
    ['two answers in one piece', answer('1') + answer('1'), 'duplicate'],
    ['an allow and then a deny', answer('1') + answer('1', 'deny'), 'duplicate'],
    ['a proper answer and then gibberish', `${answer('1')}gibberish\n`, 'malformed'],
    ['a line without end', 'x'.repeat(MAX_LINE + 1), 'overloaded'],
    ['a long proper answer', answer('1', 'allow', { pad: 'x'.repeat(MAX_LINE) }), 'overloaded'],
  ])('%s', async (_, text, kind) => {
    const { ask, says, outcomes, violations } = setUp();
    ask(1);
    ask(2);
    await says(text);
    ask(3);
    await says(answer('2') + answer('3'));
    expect([...outcomes]).toEqual([
      [1, kind],
      [2, kind],
      [3, kind],
    ]);
    expect(violations.map((error) => error.kind)).toEqual([kind]);
  });

  it('a second answer in a later piece does not undo the first, and ends the trust', async () => {
    const { ask, says, outcomes, violations } = setUp();
    ask(1);
    await says(answer('1'));
    ask(2);
    await says(answer('1'));
    expect([...outcomes]).toEqual([
      [1, 'allow'],
      [2, 'duplicate'],
    ]);
    expect(violations).toHaveLength(1);
  });
});

describe('lateness', () => {
  it('denies what nobody answers, ignores the late answer and says so', async () => {
    const { ask, says, aborts, outcomes, anomalies, violations } = setUp();
    ask(1);
    ask(2);
    aborts.get(1)!.abort();
    await says(answer('1'));
    expect(outcomes.get(1)).toBe('missing');
    expect(anomalies).toEqual(['late-answer']);
    await says(answer('2'));
    expect(outcomes.get(2)).toBe('allow');
    expect(violations).toEqual([]);
  });

  it('takes a second late answer for what it is', async () => {
    const { ask, says, aborts, violations } = setUp();
    ask(1);
    aborts.get(1)!.abort();
    await says(answer('1') + answer('1'));
    expect(violations.map(({ kind }) => kind)).toEqual(['duplicate']);
  });

  it('does not put a review whose time is over', async () => {
    const { wire, sent } = setUp();
    const event = eventOf(1, { deadline: 0 });
    await expect(
      wire.review({ event, rule: null, reason: '' }, new AbortController().signal),
    ).rejects.toThrow();
    expect(sent).toEqual([]);
  });
});

describe('a reviewer that is gone or does not read', () => {
  it('denies what waits and what comes', async () => {
    const { wire, ask, outcomes, says } = setUp();
    ask(1);
    wire.close('the reviewer ended with status 3');
    ask(2);
    await says('');
    expect([...outcomes.values()]).toEqual(['ended', 'ended']);
    expect(wire.waiting).toBe(0);
  });

  it('denies one by one what cannot be put to it', async () => {
    const { ask, outcomes, says, deafen } = setUp();
    ask(1);
    deafen();
    ask(2);
    await says(answer('1'));
    expect([...outcomes]).toEqual([
      [2, 'overloaded'],
      [1, 'allow'],
    ]);
  });
});
