/** What the command line prints: escapes, addresses, shell words, durations, denial lines. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { denialLine } from '../../cli/denials.ts';
import { addressText, describeObject, explainCommand, quoted } from '../../cli/describe.ts';
import { parseDuration } from '../../cli/duration.ts';
import { UsageError } from '../../cli/errors.ts';
import { columns, safe } from '../../cli/output.ts';
import { toBytes, toText } from '../../model/bytes.ts';
import type { Event, EventObject } from '../../model/event.ts';

function event(object: EventObject, operation: Event['operation'] = 'write'): Event {
  return { n: 1, operation, also: [], object, subject: { exe: '/bin/sh', pid: 2 }, received: 0, deadline: 1 };
}

describe('safe', () => {
  it('escapes what could steer a terminal or deceive a reader', () => {
    expect(safe('a\nb\tc\x1b[31m\x7f\x9b')).toBe('a\\nb\\tc\\x1b[31m\\x7f\\x9b');
    expect(safe('\u202egnp.exe\u200b\ufeff')).toBe('\\u202egnp.exe\\u200b\\ufeff');
    expect(safe(toText(Uint8Array.of(0x66, 0xff, 0xc3)))).toBe('f\\xff\\xc3');
  });
  it('leaves ordinary text of any script alone', () => {
    for (const text of ['/home/ünï/größe', '日本語', 'emoji 🙂 pair']) expect(safe(text)).toBe(text);
  });
  it('never lets a control character or a lone surrogate through', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(safe(toText(bytes))).not.toMatch(/[\x00-\x1f\x7f-\x9f]|\p{Surrogate}/u);
      }),
    ));
});

describe('addresses', () => {
  it.each([
    ['00000000000000000000ffff7f000001', '127.0.0.1'],
    ['00000000000000000000000000000001', '[::1]'],
    ['00000000000000000000000000000000', '[::]'],
    ['20010db8000000000000000000000001', '[2001:db8::1]'],
    ['fe800000000000010000000000000000', '[fe80:0:0:1::]'],
    ['20010db8000100020003000400050006', '[2001:db8:1:2:3:4:5:6]'],
  ])('%s is %s', (hex, text) => expect(addressText(hex)).toBe(text));
});

describe('quoted', () => {
  it('is read back by a shell as the same bytes', () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => bytes.map((b) => (b === 0 ? 1 : b))),
        (bytes) => {
          const back = execFileSync('bash', ['-c', `printf %s ${quoted(toText(bytes))}`]);
          expect(Buffer.from(back).equals(Buffer.from(bytes))).toBe(true);
        },
      ),
      { numRuns: 40 },
    ));
  it('does not lose bytes on the way to text', () => {
    const bytes = Uint8Array.of(1, 255, 39, 92, 65);
    expect(toBytes(toText(bytes))).toEqual(bytes);
  });
});

describe('denial lines', () => {
  const verdict = { verdict: 'deny', layer: 'policy', rule: 'startup-files', reason: 'runs later' } as const;
  const judged = { verdict, answered: 0, enforced: true, fast: true, inputs: [] };
  it('name operation, object, rule and the command that explains', () => {
    expect(
      denialLine(
        { ...judged, event: event({ kind: 'path', path: '/home/u/.bashrc' }) },
        { policy: 'workspace' },
      ),
    ).toBe(
      'portcullis: denied write /home/u/.bashrc by rule startup-files (runs later); see: portcullis policy explain --policy workspace write /home/u/.bashrc',
    );
  });
  it('are one line whatever the object is called', () => {
    const line = denialLine(
      { ...judged, event: event({ kind: 'path', path: '/a\nportcullis: allowed\x1b[2J' }) },
      { policy: 'workspace' },
    )!;
    expect(line).not.toMatch(/[\x00-\x1f]/);
    expect(line).toContain("'/a\\x0aportcullis: allowed\\x1b[2J'");
  });
  it('say which layer where policy did not decide alone', () => {
    const late = { ...verdict, layer: 'deadline', rule: 'ask', reason: 'no answer in time' } as const;
    expect(
      denialLine(
        { ...judged, verdict: late, event: event({ kind: 'path', path: '/x' }) },
        { policy: 'p.yaml' },
      ),
    ).toContain('by the deadline under rule ask (no answer in time)');
  });
  it('are not printed for allows, nor where nothing was enforced', () => {
    const object = { kind: 'path', path: '/x' } as const;
    expect(denialLine({ ...judged, event: event(object), enforced: false }, { policy: 'p' })).toBe(null);
    const allow = { ...verdict, verdict: 'allow' } as const;
    expect(denialLine({ ...judged, verdict: allow, event: event(object) }, { policy: 'p' })).toBe(null);
  });
});

describe('objects', () => {
  const address = '00000000000000000000ffff0a000001';
  it.each<[EventObject, string]>([
    [{ kind: 'path', path: '/a', to: '/b' }, '/a -> /b'],
    [{ kind: 'program', path: '/bin/sh', argv: ['sh', '-c', 'true'] }, '/bin/sh -c true'],
    [{ kind: 'address', protocol: 'tcp', address, port: 80 }, '10.0.0.1:80'],
    [{ kind: 'address', protocol: 'udp', address, port: 53 }, '10.0.0.1:53 (udp)'],
    [{ kind: 'unix', path: '@x' }, 'unix:@x'],
    [{ kind: 'process', pid: 7, path: '/bin/x' }, 'process 7 (/bin/x)'],
  ])('%j', (object, text) => expect(describeObject(object)).toBe(text));
  it('long ones are clipped for the line, not for the explaining command', () => {
    const path = `/${'a'.repeat(4000)}`;
    expect(describeObject({ kind: 'path', path }).length).toBeLessThan(400);
    expect(explainCommand(event({ kind: 'path', path }), { policy: 'workspace' })).toContain(path);
  });
  it('a rename is explained with both names', () => {
    const rename = event({ kind: 'path', path: '/a', to: '/b c' }, 'rename');
    expect(explainCommand(rename, { policy: 'workspace' })).toBe(
      "portcullis policy explain --policy workspace --to '/b c' rename /a",
    );
  });
});

describe('durations', () => {
  it.each([
    ['4s', 4e9],
    ['500ms', 5e8],
    ['1.5s', 1.5e9],
    ['2m', 120e9],
  ])('%s', (text, ns) => expect(parseDuration(text, '--deadline')).toBe(ns));
  it.each(['', '4', '-4s', '4 s', '4h', '1e3s', '0s', '9ms', '11m', 'NaNs', '99999999999s'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text, '--deadline')).toThrow(UsageError);
      expect(() => parseDuration(text, '--deadline')).toThrow(/--deadline/);
    },
  );
});

it('columns align whatever the colours', () => {
  expect(
    columns([
      ['\x1b[32mok\x1b[39m', 'x'],
      ['missing', 'y'],
    ]),
  ).toEqual(['\x1b[32mok\x1b[39m       x', 'missing  y']);
});
