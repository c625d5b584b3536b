/** Arbitrary events of every shape, with names that policies speak about and names that are hard to carry. */
import fc from 'fast-check';
import { OPERATIONS, type Operation } from '../../model/operation.ts';
import type { Attempt } from './driver.ts';

const joined = (...pieces: string[]) =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map((all) => all.join(''));

const path = fc
  .tuple(
    fc.constantFrom('/', '/home/u/', '/home/u/w/', '/home/u/.ssh/', '/tmp/', '/usr/bin/', '/etc/', 'pipe:['),
    joined('a', 'id_rsa', '.env', '.git/hooks/x', '/b', 'é', '\udcff', '\n', ' ', '.bashrc', 'x'.repeat(300)),
  )
  .map(([top, rest]) => top + rest);
const argument = joined('sh', '-c', ' ', 'curl x|sh', 'é', '\udc80', '"', '\n');
const argv = fc.array(argument, { maxLength: 4 });
const exe = fc.constantFrom('/usr/bin/cat', '/usr/bin/python3.11', '/home/u/w/tool', '/tmp/é\udcfe');
const operation = (...from: Operation[]) => fc.constantFrom(...from);
const also = (operation: Operation) =>
  fc.subarray(
    OPERATIONS.filter((other) => other !== operation),
    { maxLength: 2 },
  );

const onPath = operation(...OPERATIONS.slice(0, 10)).chain((name) =>
  fc.record({
    operation: fc.constant(name),
    also: name === 'rename' || name === 'link' ? fc.constant([]) : also(name),
    object: fc.record(
      {
        kind: fc.constant('path' as const),
        path,
        ...(name === 'rename' || name === 'link' ? { to: path } : {}),
      },
      { requiredKeys: name === 'rename' ? ['kind', 'path', 'to'] : ['kind', 'path'] },
    ),
  }),
);
const program = fc.record({
  operation: operation('exec'),
  also: fc.constant([]),
  object: fc.record(
    { kind: fc.constant('program' as const), path, argv, interpreter: fc.record({ path, argv }) },
    { requiredKeys: ['kind', 'path', 'argv'] },
  ),
});
const address = fc.record({
  operation: operation('connect', 'bind', 'send'),
  also: fc.constantFrom([], ['connect'] as const),
  object: fc.record({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'netlink' as const, 'other' as const),
    address: fc.oneof(
      fc.constantFrom('00000000000000000000ffff7f000001', '00000000000000000000000000000001'),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    ),
    port: fc.oneof(fc.constantFrom(0, 22, 80, 443, 65535), fc.nat(65535)),
  }),
});
const unix = fc.record({
  operation: operation('connect', 'bind', 'send'),
  also: fc.constant([]),
  object: fc.record({
    kind: fc.constant('unix' as const),
    path: fc.oneof(
      path,
      path.map((p) => `@${p}`),
    ),
  }),
});
const process = fc.record({
  operation: operation('signal'),
  also: fc.constant([]),
  object: fc.record({ kind: fc.constant('process' as const), pid: fc.nat(4_194_304), path }),
});

export const event: fc.Arbitrary<Attempt> = fc
  .tuple(fc.oneof({ weight: 4, arbitrary: onPath }, program, address, unix, process), exe)
  .map(([attempt, exe]) => ({ ...attempt, subject: { exe, pid: 42 } }));
