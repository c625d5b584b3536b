/** A trace that is not whole and well-formed is refused with its place. */
import { describe, expect, it } from 'vitest';
import { TraceError } from '../../traces/format.ts';
import { columnOf } from '../../traces/locate.ts';
import { openTrace, readTrace } from '../../traces/reader.ts';
import { TraceWriter } from '../../traces/writer.ts';
import { headerOf, POLICY, policyOf, record } from './session.ts';

const read = (text: string): number => [...readTrace([Buffer.from(text)], 't').events()].length;
const good = record([
  { operation: 'read', name: '/work/a', reviewer: 'allow', turns: 0 },
  { operation: 'read', name: '/etc/\udcff', reviewer: 'allow', turns: 0 },
]).then(({ bytes }) => bytes.toString());

describe('the trace reader', () => {
  it('reads what the writer wrote, whatever pieces it comes in', async () => {
    const bytes = Buffer.from(await good);
    for (const size of [1, 7, 100, bytes.length]) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      const trace = readTrace(pieces, 't');
      const names = [...trace.events()].map(({ event }) => event.object.kind === 'path' && event.object.path);
      expect(names).toEqual(['/work/a', '/etc/\udcff']);
      expect(trace.footer()?.events).toBe(2);
    }
  });

  const line = (text: string, at: number): string => text.split('\n')[at]!;
  it.each<[string, RegExp, (text: string) => string]>([
    ['an empty file', /^t:1:1: the file is empty/, () => ''],
    ['another file', /^t:1:1: not JSON/, () => 'hello\n'],
    ['another JSON file', /^t:1:1: not a trace/, () => '{"a":1}\n'],
    ['null', /^t:1:1: not a trace/, () => 'null\n'],
    [
      'a foreign version',
      /^t:1:\d+: a trace of version 2; .* version 1/,
      (t) => t.replace('"version":1', '"version":2'),
    ],
    ['a header cut off', /^t:1:\d+: .*not a trace/, (t) => t.slice(t.indexOf('\n') + 1)],
    [
      'an unknown key in the header',
      /^t:1:\d+: more: unknown key/,
      (t) => t.replace('"host":', '"more":1,"host":'),
    ],
    [
      'the footer cut off',
      /^t:4:1: the trace ends without its footer after 2/,
      (t) => `${t.split('\n').slice(0, 3).join('\n')}\n`,
    ],
    ['a cut within a line', /^t:3:\d+: the trace ends within a line/, (t) => t.slice(0, t.indexOf('"n":2'))],
    [
      'a line removed',
      /^t:3:\d+: the footer counts 2 events, the trace holds 1/,
      (t) => t.replace(`${line(t, 1)}\n`, ''),
    ],
    ['a line after the footer', /^t:5:1: more follows/, (t) => `${t + line(t, 1)}\n`],
    [
      'an unknown operation',
      /^t:2:\d+: event\.operation: /,
      (t) => t.replace('"operation":"read"', '"operation":"teleport"'),
    ],
    [
      'an unknown layer',
      /^t:2:\d+: verdict\.layer: /,
      (t) => t.replace('"layer":"policy"', '"layer":"magic"'),
    ],
    ['a number that is text', /^t:2:\d+: event\.subject\.pid: /, (t) => t.replace('"pid":7', '"pid":"7"')],
    ['a time that is null', /^t:2:\d+: answered: /, (t) => t.replace(/"answered":\d+/, '"answered":null')],
    [
      'an unknown input',
      /^t:3:\d+: inputs\.0\.type: /,
      (t) => t.replace('"type":"received"', '"type":"bribed"'),
    ],
    ['a field too many', /^t:2:\d+: event\.more: /, (t) => t.replace('"event":{', '"event":{"more":1,')],
    [
      'another policy text under the same digest',
      /^t:1:\d+: the policy text does not match its digest/,
      (t) => t.replace('id: secrets, effect: deny', 'id: secrets, effect: allow'),
    ],
    [
      'another environment under the same digest',
      /^t:1:\d+: the policy text does not match its digest/,
      (t) => t.replace('"workspace":"/work"', '"workspace":"/"'),
    ],
    [
      'another digest',
      /^t:1:\d+: the policy text does not match its digest/,
      (t) => t.replace(/"digest":"[0-9a-f]{64}"/, `"digest":"${'0'.repeat(64)}"`),
    ],
    ['a field missing', /^t:2:\d+: fast: /, (t) => t.replace('"fast":true,', '')],
    ['a list for a line', /^t:2:1: the line: /, (t) => t.replace(line(t, 1), '[]')],
  ])('refuses %s', async (_, message, change) => {
    const text = await good;
    const changed = change(text);
    expect(changed).not.toBe(text);
    expect(() => read(changed)).toThrow(TraceError);
    expect(() => read(changed)).toThrow(message);
  });

  const many = record([
    ...['/work/a', '/work/b'].map(
      (name) => ({ operation: 'read', name, reviewer: 'allow', turns: 0 }) as const,
    ),
    ...['/etc/a', '/etc/b'].map(
      (name) => ({ operation: 'read', name, reviewer: 'allow', turns: 0 }) as const,
    ),
  ]).then(({ bytes }) => bytes.toString());
  it('refuses any two event lines swapped', async () => {
    const lines = (await many).trimEnd().split('\n');
    expect(read(await many)).toBe(4);
    const last = lines.length - 1; // the footer
    for (let a = 1; a < last; a += 1)
      for (let b = a + 1; b < last; b += 1) {
        const swapped = [...lines];
        [swapped[a], swapped[b]] = [lines[b]!, lines[a]!];
        expect(() => read(`${swapped.join('\n')}\n`), `${a} and ${b}`).toThrow(/lines were moved/);
      }
  });

  it.each<[string, RegExp, RegExp, (time: number) => number]>([
    ['an event answered before it was received', /"answered":(\d+)/, /^t:2:\d+: answered: /, () => 1],
    ['an input before its event', /"type":"received","at":(\d+)/, /^t:\d:\d+: inputs\.0\.at: /, () => 1],
    ['inputs out of order', /"type":"reviewed","at":(\d+)/, /^t:\d:\d+: inputs\.1\.at: /, () => 1],
    [
      'an answer at another time',
      /"answered":(\d+),"enforced":true,"fast":false/,
      /^t:\d:\d+: answered: /,
      (t) => t + 1e6,
    ],
  ])('refuses %s', async (_, found, message, change) => {
    const changed = (await many).replace(found, (match, time: string) =>
      match.replace(time, String(change(Number(time)))),
    );
    expect(changed).not.toBe(await many);
    expect(() => read(changed)).toThrow(message);
  });

  it('points at the very value', async () => {
    const changed = (await good).replace('"pid":7', '"pid":"7"');
    const column = line(changed, 1).indexOf('"7"') + 1;
    expect(() => read(changed)).toThrow(new RegExp(`^t:2:${column}: `));
  });

  it('refuses bytes that are not UTF-8, endless lines and files that cannot be read', async () => {
    const bytes = Buffer.from(await good);
    bytes[bytes.indexOf('/work/a')] = 0xff;
    expect(() => [...readTrace([bytes], 't').events()]).toThrow(/^t:2:1: the line is not UTF-8/);
    const endless = Array.from({ length: 17 }, () => Buffer.alloc(1 << 20, 'x'));
    expect(() => readTrace(endless, 't')).toThrow(/^t:1:1: a line longer than/);
    expect(() => openTrace('/nowhere/at/all')).toThrow(TraceError);
    expect(() => openTrace('/')).toThrow(TraceError);
  });
});

describe('columns', () => {
  it('are those of the value at a path, or of the nearest there is', () => {
    const text = '{"a":[1, {"b\\"": "x,}]"}], "c":{"d":null}}';
    expect(columnOf(text, ['a', 1, 'b"'])).toBe(text.indexOf('"x') + 1);
    expect(columnOf(text, ['c', 'd'])).toBe(text.indexOf('null') + 1);
    expect(columnOf(text, ['c', 'e'])).toBe(text.indexOf('{"d"') + 1);
    expect(columnOf(text, [])).toBe(1);
  });
});

describe('the trace writer', () => {
  it('stops at the first error, tells it once, and throws it at the end', () => {
    let full = false;
    const sink = {
      write() {
        if (full) throw new Error('ENOSPC: no space left on device');
      },
      close() {},
    };
    const told: TraceError[] = [];
    const writer = new TraceWriter(sink, headerOf(policyOf(POLICY)), (error) => told.push(error));
    full = true;
    writer.flush();
    expect(told).toEqual([]);
    expect(() => writer.end({ status: 0, signal: null, counters: {} })).toThrow(/no space left/);
    expect(told.length).toBe(1);
  });

  it('throws at once where not even the header can be written', () => {
    const sink = {
      write() {
        throw new Error('EIO');
      },
      close() {},
    };
    expect(() => new TraceWriter(sink, headerOf(policyOf(POLICY)))).toThrow(TraceError);
  });
});
