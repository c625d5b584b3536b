/**
 * Address patterns: which sockets a rule speaks about.
 *
 *   [tcp:|udp:] IPv4[/bits] : port          127.0.0.0/8:*      port is n, a-b or *
 *   [tcp:|udp:] [ IPv6 ][/bits] : port      [::1]:443
 *   unix: glob of a path, or of @name       unix:/run/user/**  unix:@/tmp/.X11-unix/*
 *   netlink:*   other:*                     every socket of those kinds
 *
 * Without a protocol both TCP and UDP are meant. IPv4 is the IPv4-mapped part of IPv6 (::ffff:0:0/96). Bits
 * beyond the prefix length are ignored. Host names are refused: this version judges addresses.
 *
 * The result spells out the object part of the word (model/word.ts): for an address
 * `protocol NUL 32 hex digits NUL port NUL host`, the host left open.
 */
import type { Text } from '../bytes.ts';
import { ByteSet, NUL, SINGLE } from './byte-set.ts';
import type { Environment, Sequence } from './environment.ts';
import { expandGlob } from './environment.ts';
import { PatternError } from './errors.ts';
import { literal, parseGlob, type Token } from './glob.ts';

/** Object parts of words; `open` ones may be followed by anything. */
export interface AddressSequences {
  readonly sequences: readonly Sequence[];
  readonly open: boolean;
}

const HEX = '0123456789abcdef';
const HEX_DIGIT: Token = { kind: 'one', set: among(HEX) };
const DIGIT = among('0123456789');
const SEPARATOR: Token = { kind: 'one', set: SINGLE[NUL]! };
const MAX_PORT = 65_535;

function among(chars: string): ByteSet {
  return new ByteSet((byte) => chars.includes(String.fromCharCode(byte)));
}

const ascii = (text: string): Token[] => literal(Uint8Array.from(text, (char) => char.charCodeAt(0)));

/** Checks a pattern without an environment. Throws PatternError. */
export function checkAddress(text: Text): void {
  if (text.startsWith('unix:')) parseUnixGlob(text.slice('unix:'.length));
  else inet(text);
}

/** Every spelling of an address pattern. Throws PatternError. */
export function expandAddress(text: Text, environment: Environment, widens: boolean): AddressSequences {
  if (!text.startsWith('unix:')) return inet(text);
  const globs = expandGlob(parseUnixGlob(text.slice('unix:'.length)), environment, widens);
  return { sequences: globs.map((glob) => [...ascii('unix'), SEPARATOR, ...glob]), open: false };
}

function parseUnixGlob(glob: Text): Text {
  if (!/^(\/|~|\$\{|\*\*|@|\{)/.test(glob))
    throw new PatternError('a unix socket is an absolute path or @name', 'write unix:/path/** or unix:@name');
  parseGlob(glob);
  return glob;
}

function inet(text: Text): AddressSequences {
  if (text === 'netlink:*' || text === 'other:*')
    return { sequences: [[...ascii(text.slice(0, -2)), SEPARATOR]], open: true };
  const shape = /^(?:(tcp|udp):)?(?:\[([^\]]*)\]|([0-9.]+))(?:\/(\d+))?:([0-9*-]+)$/.exec(text);
  if (shape === null) throw misshapen(text);
  const [, protocol, v6, v4, length, port] = shape;
  const [groups, width] =
    v6 !== undefined ? [ipv6(v6), 128] : [['0', '0', '0', '0', '0', 'ffff', ...ipv4(v4!)], 32];
  const bits = length === undefined ? width : Number(length);
  if (bits > width) throw new PatternError(`a prefix of ${bits} bits`, `at most ${width} bits here`);
  const address = network(groups.map((group) => group.padStart(4, '0')).join(''), 128 - width + bits);
  const sequences = (protocol === undefined ? ['tcp', 'udp'] : [protocol]).flatMap((name) =>
    ports(port!).map((digits) => [...ascii(name), SEPARATOR, ...address, SEPARATOR, ...digits, SEPARATOR]),
  );
  return { sequences, open: true };
}

function misshapen(text: Text): PatternError {
  if (/^(?:(tcp|udp):)?\*?\.?[a-z][a-z0-9.-]*(:|$)/i.test(text))
    return new PatternError(
      `${JSON.stringify(text)} is not an address: this version judges addresses, not host names`,
      'write the address, for instance 127.0.0.1:443 or [::1]:443',
    );
  return new PatternError(
    `${JSON.stringify(text)} is not an address pattern`,
    'write IPv4[/bits]:port, [IPv6][/bits]:port, unix:/path, unix:@name or netlink:*, where port is n, a-b or *',
  );
}

function ipv4(text: string): string[] {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    throw new PatternError(
      `${text} is not an IPv4 address`,
      'write four numbers up to 255, without leading zeros',
    );
  const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
  return [(a << 8) | b, (c << 8) | d].map((group) => group.toString(16));
}

/** The eight groups of an IPv6 address in hexadecimal. */
function ipv6(text: string): string[] {
  const fault = new PatternError(
    `[${text}] is not an IPv6 address`,
    'write for instance [::1] or [2001:db8::]',
  );
  const halves = text.toLowerCase().split('::');
  if (halves.length > 2) throw fault;
  const [head, tail] = [groupsOf(halves[0]!), groupsOf(halves[1] ?? '')];
  if (![...head, ...tail].every((group) => /^[0-9a-f]{1,4}$/.test(group))) throw fault;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) throw fault;
  return [...head, ...Array<string>(missing).fill('0'), ...tail];
}

function groupsOf(text: string): string[] {
  if (text === '') return [];
  const groups = text.split(':');
  const last = groups.at(-1)!;
  return last.includes('.') ? [...groups.slice(0, -1), ...ipv4(last)] : groups;
}

/** 32 hex digits of which the first `bits` bits are fixed. */
function network(digits: string, bits: number): Token[] {
  return [...digits].map((digit, i) => {
    const fixed = Math.min(4, Math.max(0, bits - 4 * i));
    if (fixed === 0) return HEX_DIGIT;
    const high = (value: number) => value >> (4 - fixed);
    const wanted = high(HEX.indexOf(digit));
    return { kind: 'one', set: among([...HEX].filter((_, value) => high(value) === wanted).join('')) };
  });
}

/** Decimal spellings of the ports. */
function ports(text: string): Token[][] {
  if (text === '*')
    return [
      [
        { kind: 'one', set: DIGIT },
        { kind: 'many', set: DIGIT },
      ],
    ];
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const low = Number(range?.[1]);
  const high = Number(range?.[2] ?? range?.[1]);
  if (range === null || high > MAX_PORT || low > high)
    throw new PatternError(`${text} is not a port`, `write a number up to ${MAX_PORT}, a-b with a ≤ b, or *`);
  return numbers(low, high);
}

/** Digit patterns for the numbers from low to high: split until each part is a prefix with free last digits. */
function numbers(low: number, high: number): Token[][] {
  const all: Token[][] = [];
  for (let from = low; from <= high; ) {
    let free = 1;
    while (from % (free * 10) === 0 && from !== 0 && from + free * 10 - 1 <= high) free *= 10;
    const head = String(from / free);
    all.push([...ascii(head), ...Array<Token>(String(free).length - 1).fill({ kind: 'one', set: DIGIT })]);
    from += free;
  }
  return all;
}
